//! A segment that is full at any record: nothing is lost, doubled, or counted twice.

use proptest::prelude::*;

use super::*;

/// What stands before the segment.
#[derive(Clone, Copy, Debug)]
struct Settings {
    limit: Option<(u32, u32)>,
    folds: bool,
    joins: bool,
}

impl Settings {
    fn sender(self, rig: Rig) -> Sender {
        let mut sender = Sender::at(rig, Framing::Auto);
        sender.rig.intake.limit_rate(self.limit);
        sender.rig.intake.fold(self.folds);
        if self.joins {
            sender.join("^[A-Z]");
        }
        sender
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let limit = prop_oneof![Just(None), Just(Some((1, 4))), Just(Some((1, 30)))];
    (limit, any::<bool>(), any::<bool>()).prop_map(|(limit, folds, joins)| Settings {
        limit,
        folds,
        joins,
    })
}

/// A piece of what a sender writes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: &[&[u8]] = &[
        b"INFO the same\n",
        b"INFO the same\n",
        b" more of it\n",
        b"DEBUG noise\n",
        b"ERROR x\r\n",
        b"<14>Nov 20 09:59:58 box app: said\n",
        b"<15>1 2026-11-20T09:59:58Z web app - - - debug\n",
        b"<15>1 2026-99-20T09:59:58Z web app - - - bad time\n",
        b"17 <14>counted\nframe",
        b"40 <14>wrong\n<14>count\n",
        b"6 <14>wrong too\n",
        b"{\"a\":1}{\"b\":2}\n",
        b"{\"time\":\"2026-99-99T00:00:00Z\"}\n",
        b"<14>nul\0<14>nul\nagain\0",
        b"9 zx\x9cabcde",
    ];
    prop_oneof![
        12 => proptest::sample::select(fixed).prop_map(<[u8]>::to_vec),
        1 => (0..250_usize).prop_map(|bytes| [&vec![b'y'; bytes][..], b"\n"].concat()),
        1 => "[a-c]{0,4}".prop_map(|text| compressed(format!("<14>z {text}\n").as_bytes())),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(piece(), 0..30)
}

fn rooms() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![0..200_u64, 0..1500_u64], 0..25)
}

/// What readers see in the end, and what was counted.
fn outcome(sender: &Sender) -> (Vec<String>, String) {
    let counted = format!("{:?} {:?}", sender.refused, sender.metrics());
    (sender.rig.records(), counted)
}

proptest! {
    #[test]
    fn a_full_segment_changes_nothing_of_a_connection(
        settings in settings(),
        pieces in pieces(),
        read_bytes in 1..400_usize,
        rooms in rooms(),
        is_gzip in any::<bool>(),
    ) {
        let mut input = pieces.concat();
        if is_gzip {
            input = gzip(&input);
        }
        let reads: Vec<&[u8]> = input.chunks(read_bytes).collect();
        let mut free = settings.sender(Rig::new());
        free.reads(&reads);
        free.tell_all();
        let mut full = settings.sender(Rig::synced());
        full.rooms = rooms;
        full.reads(&reads);
        full.tell_all();
        prop_assert_eq!(outcome(&full), outcome(&free));
    }

    #[test]
    fn a_full_segment_changes_nothing_of_datagrams(
        settings in settings(),
        datagrams in proptest::collection::vec(pieces(), 0..4),
        rooms in rooms(),
    ) {
        let run = |rig: Rig, rooms: Vec<u64>| {
            let mut sender = settings.sender(rig);
            sender.session = LogSession::of_listener(LINE_BYTES_MAX, b"", Transport::Udp);
            sender.rooms = rooms;
            datagrams.iter().for_each(|one| sender.datagram(&one.concat(), false));
            sender.tell_all();
            sender
        };
        let (free, full) = (run(Rig::new(), Vec::new()), run(Rig::synced(), rooms));
        prop_assert_eq!(outcome(&full), outcome(&free));
    }
}

#[test]
fn what_is_due_stays_due_where_the_segment_is_full() {
    let mut sender = Sender::at(Rig::synced(), Framing::Auto);
    sender.join("^A");
    sender.read(b"A one\n at x\n");
    assert_eq!(sender.rig.records(), [""; 0]);
    let deadline = sender.session.next_deadline().unwrap();
    sender.rig.now = deadline;
    assert!(sender.session.store_due(&mut sender.rig.sink()).is_err());
    assert_eq!(sender.session.next_deadline(), Some(deadline));
    sender.rig.make_room(1000);
    for _ in 0..2 {
        assert!(sender.session.store_due(&mut sender.rig.sink()).is_ok());
        assert_eq!(sender.texts(), ["A one\\n at x"]);
    }
    assert_eq!(sender.session.next_deadline(), None);
}

#[test]
fn folding_that_is_turned_off_tells_what_it_had_and_ends() {
    let mut sender = Sender::new();
    sender.rig.intake.fold(true);
    sender.read(b"x\nx\nx\n");
    sender.rig.intake.fold(false);
    sender.read(b"x\nx\ny\ny\n");
    let expected = ["x", "last line repeated 2 times", "x", "x", "y", "y"];
    assert_eq!(sender.texts(), expected);
    assert_eq!(sender.rig.intake.next_deadline(), None);
    // Also where nothing comes after it.
    let mut sender = Sender::at(Rig::synced(), Framing::Auto);
    sender.rig.intake.fold(true);
    sender.read(b"x\nx\nx\n");
    sender.rig.intake.fold(false);
    assert!(sender.rig.intake.next_deadline().is_some_and(|at| at <= sender.rig.now));
    sender.rig.make_room(0);
    assert!(sender.rig.sink().tell_due().is_err());
    sender.rig.make_room(5000);
    assert!(sender.rig.sink().tell_due().is_ok());
    assert_eq!(sender.texts(), ["x", "last line repeated 2 times"]);
}
