//! Days and dates of the Gregorian calendar.

/// Years of which every nanosecond fits into 64 bits.
pub(super) const YEARS: std::ops::RangeInclusive<i64> = 1678..=2261;

/// Days from 1970-01-01 to a day of the Gregorian calendar, by Howard Hinnant's `days_from_civil`:
/// years are counted from March, so that the leap day is the last of its year. `None` where the
/// calendar has no such day, or the year is out of range.
pub(super) fn day(year: i64, month: u32, day: u32) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days || !YEARS.contains(&year) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`.
#[inline]
pub(crate) fn civil(day: i64) -> (i64, u32, u32) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_has_its_days() {
        let mut expected = day(1678, 1, 1).unwrap();
        for year in YEARS {
            for month in 1..=12 {
                for month_day in 1..=31 {
                    let Some(day) = day(year, month, month_day) else { continue };
                    assert_eq!(day, expected, "{year}-{month}-{month_day}");
                    assert_eq!(civil(day), (year, month, month_day));
                    expected += 1;
                }
            }
        }
        assert_eq!(day(1970, 1, 1), Some(0));
        assert_eq!((day(2026, 0, 1), day(2026, 13, 1), day(2026, 1, 0)), (None, None, None));
    }
}
