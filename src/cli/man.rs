//! `logcaster man`: the manual page, in roff, rendered from what help knows.

use crate::cli::help::{self, FlagLine, PAGES};
use crate::cli::normalise;
use std::process::ExitCode;

/// Writes the manual page.
pub fn run() -> ExitCode {
    super::show(&render())
}

/// `text` for roff: backslashes and dashes as they are, no request where a line begins.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    match escaped.chars().next() {
        Some('.' | '\'') => format!("\\&{escaped}"),
        _ => escaped,
    }
}

fn render() -> String {
    let mut out = format!(
        ".TH LOGCASTER 1 \"\" \"logcaster {}\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\n\
         logcaster \\- collects log lines, keeps the newest, answers about them at once\n\
         .SH SYNOPSIS\n.B logcaster\n[FLAGS OF SERVE]\n.br\n.B logcaster\nCOMMAND [ARGUMENTS]\n\
         .SH DESCRIPTION\n",
        roff(env!("CARGO_PKG_VERSION"))
    );
    let serve = help::page("serve");
    for paragraph in serve.map_or(&[][..], |page| page.essay) {
        out.push_str(&format!("{}\n.PP\n", roff(paragraph)));
    }
    out.push_str("Without a command logcaster serves.\n.SH FLAGS OF SERVE\n");
    push_flags(&mut out, &help::flags("serve"));
    out.push_str(".SH COMMANDS\n");
    for page in PAGES {
        push_command(&mut out, page);
    }
    out.push_str(ENVIRONMENT);
    out.push_str(
        ".SH EXIT STATUS\n0 for success, 2 for a command line or settings that are not \
         understood, 1 where the server could not start or not end well. Commands that read exit \
         like grep: 0 where something was found, 1 where nothing was, 2 on an error.\n\
         .SH SIGNALS\n.TP\n.B SIGTERM, SIGINT\nTake in what has arrived, finish answers, sync, \
         exit. A second one ends at once.\n.TP\n.B SIGHUP\nRead the config file again. These \
         settings are applied, the others wait for a restart: ",
    );
    let reloadable = crate::config::TABLE.iter().filter(|row| row.reloadable);
    let names: Vec<String> = reloadable.map(|row| roff(row.name)).collect();
    out.push_str(&format!("{}.\n", names.join(", ")));
    out.push_str(
        ".TP\n.B SIGUSR1\nWrite every metric as JSON to DIR/metrics.json, where records are \
         kept on disk, and the numbers of STATS to the own log.\n",
    );
    out.push_str(FILES);
    out.push_str(".SH EXAMPLES\n");
    for (line, about) in PAGES.iter().flat_map(|page| page.examples) {
        out.push_str(&format!(
            ".TP\n.B {}\n{}\n",
            roff(line),
            roff(&format!("{}.", help::capital(about)))
        ));
    }
    out
}

/// The variables that no flag of `serve` stands for.
const ENVIRONMENT: &str = ".SH ENVIRONMENT\nEvery flag of serve names its variable above. An \
    empty variable counts as unset; an unknown one that begins with LOGCASTER_ is warned about.\n\
    .TP\n.B LOGCASTER_ADDR\nWhere query, tail, stats and ping ask, as \\-\\-addr. Without a port \
    it is the default one.\n.TP\n.B LOGCASTER_LOG_ADDR\nWhere send sends; without it, the host of \
    LOGCASTER_ADDR.\n.TP\n.B NO_COLOR\nNo colours on a terminal.\n.TP\n.B TZ\nThe zone of the \
    times that the server shows and reads; UTC without it.\n.TP\n.B LISTEN_FDS, LISTEN_PID, \
    LISTEN_FDNAMES\nSockets that a service manager has opened, as sd_listen_fds(3) passes them. A \
    name says what is spoken there: log, syslog, query, http or irc, also as the name of a unit \
    (logcaster\\-irc.socket). What is passed is not bound again; one without a name is known by \
    the port or path of the settings.\n.TP\n.B NOTIFY_SOCKET, WATCHDOG_USEC\nWhere the manager is \
    told that the server is ready, how it is and that it stops, and how often it wants a sign of \
    life.\n";

/// What is kept below `--dir`.
const FILES: &str = ".SH FILES\nIn the directory of \\-\\-dir, with \\-\\-persist:\n.TP\n\
    .I segment\nThe ring of records, of the size of \\-\\-size. One server at a time holds it.\n\
    .TP\n.I segment.new\nThe same while it is made: at the first start, for another size, by \
    restore.\n.TP\n.I irc.json\nFilters and alerts that were added on IRC. Backup leaves it out: \
    copy it beside the copy. One that cannot be read becomes irc.json.bad.\n.TP\n\
    .I metrics.json\nEvery metric as it was at the last SIGUSR1.\n";

fn push_command(out: &mut String, page: &help::Page) {
    let about = normalise::find(page.name).map_or("", |command| command.description);
    for usage in page.usage {
        out.push_str(&format!(".SS {}\n", roff(format!("{} {usage}", page.name).trim_end())));
    }
    out.push_str(&format!("{}.\n", roff(&help::capital(about))));
    if page.name == "serve" {
        return;
    }
    for paragraph in page.essay {
        out.push_str(&format!(".PP\n{}\n", roff(paragraph)));
    }
    for (name, about) in help::arguments(page.name) {
        out.push_str(&format!(".TP\n.I {}\n{}\n", roff(name), roff(&about)));
    }
    if page.name != "config" {
        push_flags(out, &help::flags(page.name));
    }
}

fn push_flags(out: &mut String, flags: &[FlagLine]) {
    for flag in flags {
        let short = flag.short.map_or(String::new(), |short| format!("\\-{short}, "));
        let value = flag.value.map_or(String::new(), |value| format!(" \\fI{}\\fR", roff(value)));
        out.push_str(&format!(
            ".TP\n\\fB{short}\\-\\-{}\\fR{value}\n{}\n",
            roff(flag.long),
            roff(&flag.help)
        ));
        if !flag.essay.is_empty() {
            out.push_str(&format!("{}\n", roff(flag.essay)));
        }
        if !flag.env.is_empty() {
            out.push_str(&format!("Environment: {}.\n", flag.env.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_page_holds_every_flag_in_well_formed_roff() {
        let page = render();
        for command in PAGES {
            for flag in help::flags(command.name) {
                assert!(page.contains(&roff(&format!("--{}", flag.long))), "{}", flag.long);
            }
        }
        for file in ["segment", "irc.json", "metrics.json"] {
            assert!(page.contains(&format!("\n.I {file}\n")), "{file}");
        }
        let requests = [".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".br", ".nh", ".ad"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().unwrap();
            assert!(requests.contains(&request), "{line}");
        }
    }

    #[test]
    fn groff_renders_it_without_a_warning() {
        let mut command = Command::new("groff");
        command.args(["-man", "-Tascii", "-ww"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A machine without groff has the structural test above.
        let Ok(mut groff) = command.spawn() else { return };
        groff.stdin.take().unwrap().write_all(render().as_bytes()).unwrap();
        let output = groff.wait_with_output().unwrap();
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{warnings}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Accept log lines on PORT"));
    }
}
