//! `logcaster completion`: scripts for bash, zsh and fish, rendered from what help knows.

use crate::cli::args::CompletionArgs;
use crate::cli::help::{self, FlagLine};
use crate::cli::normalise::{self, UsageError};
use std::process::ExitCode;

/// The shells there is a script for.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Writes the script for the shell that was asked for.
pub fn run(args: CompletionArgs) -> ExitCode {
    match render(&args.shell) {
        Some(script) => super::show(&script),
        None => super::refuse(&UsageError::Value {
            name: "SHELL",
            value: args.shell,
            expected: "bash, zsh or fish".to_owned(),
        }),
    }
}

fn render(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// Every subcommand: its name, its one line, its flags.
fn commands() -> Vec<(&'static str, &'static str, Vec<FlagLine>)> {
    let all = normalise::commands();
    all.iter().map(|one| (one.name, one.description, help::flags(one.name))).collect()
}

/// What a flag's value, or a subcommand's argument, is made of.
enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// The name of a file.
    Files,
    /// The name of a directory.
    Directories,
    /// Something that only the person knows.
    Anything,
}

fn values(flag: &FlagLine) -> Values {
    match flag.value {
        _ if !flag.choices.is_empty() => Values::Words(flag.choices),
        Some("FILE" | "PATH") => Values::Files,
        Some("DIR") => Values::Directories,
        _ => Values::Anything,
    }
}

/// What the arguments of a subcommand are made of.
fn argument_values(command: &str) -> Values {
    match help::arguments(command).first().map(|(name, _)| *name) {
        Some("FILE") => Values::Files,
        Some("DIR") => Values::Directories,
        Some("SHELL") => Values::Words(&SHELLS),
        _ => Values::Anything,
    }
}

/// Words that begin the questions of the text protocol.
const QUESTIONS: &str = "COUNT STATS LABELS VALUES RECENT SEARCH REGEX FILTER QUERY TAIL PING HELP";

fn bash() -> String {
    let names: Vec<&str> = commands().iter().map(|(name, _, _)| *name).collect();
    let mut out = format!(
        "# bash completion for logcaster: source <(logcaster completion bash)\n\
         _logcaster() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n\
         \x20   local command=serve words=\n\
         \x20   case ${{COMP_WORDS[1]}} in\n\
         \x20       {}|help) [ \"$COMP_CWORD\" -gt 1 ] && command=${{COMP_WORDS[1]}} ;;\n\
         \x20       *) words='{} help' ;;\n\
         \x20   esac\n\
         \x20   [ \"$COMP_CWORD\" -gt 1 ] && words=\n\
         \x20   case $command$before in\n",
        names.join("|"),
        names.join(" ")
    );
    for (name, _, flags) in commands() {
        for flag in flags.iter().filter(|flag| flag.value.is_some()) {
            let short = flag.short.map_or(String::new(), |short| format!("|{name}-{short}"));
            let reply = match values(flag) {
                Values::Words(words) => format!("-W '{}' --", words.join(" ")),
                Values::Files => "-f --".to_owned(),
                Values::Directories => "-d --".to_owned(),
                Values::Anything => "-W '' --".to_owned(),
            };
            out.push_str(&format!(
                "        {name}--{}{short}) COMPREPLY=($(compgen {reply} \"$word\")); return ;;\n",
                flag.long
            ));
        }
    }
    out.push_str("    esac\n    case $command in\n");
    for (name, _, flags) in commands() {
        let mut words: Vec<String> = flags.iter().map(|flag| format!("--{}", flag.long)).collect();
        words.push("--help".to_owned());
        let plain = match argument_values(name) {
            Values::Words(words) => format!("words=\"$words {}\"", words.join(" ")),
            Values::Files => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            Values::Directories => "COMPREPLY=($(compgen -d -- \"$word\"))".to_owned(),
            Values::Anything if name == "query" => format!("words=\"$words {QUESTIONS}\""),
            Values::Anything => ":".to_owned(),
        };
        out.push_str(&format!(
            "        {name})\n            case $word in\n\
             \x20               -*) words='{}' ;;\n                *) {plain} ;;\n\
             \x20           esac ;;\n",
            words.join(" ")
        ));
    }
    out.push_str(&format!(
        "        help) words='{}' ;;\n    esac\n\
         \x20   COMPREPLY+=($(compgen -W \"$words\" -- \"$word\"))\n}}\n\
         complete -F _logcaster logcaster\n",
        names.join(" ")
    ));
    out
}

/// `text` inside single quotes of zsh's `_arguments`, where brackets and colons mean something.
fn zsh_text(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '[' | ']' | ':' | '\\' => out.extend(['\\', letter]),
            '\'' => out.push_str("'\\''"),
            letter => out.push(letter),
        }
    }
    out
}

fn zsh() -> String {
    let mut out = String::from(
        "#compdef logcaster\n# zsh completion for logcaster: logcaster completion zsh > \
         ~/.zfunc/_logcaster\n_logcaster() {\n    local -a commands\n    commands=(\n",
    );
    for (name, about, _) in commands() {
        out.push_str(&format!("        '{name}:{}'\n", zsh_text(about)));
    }
    out.push_str(
        "    )\n    local command=serve\n\
         \x20   if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then\n\
         \x20       _describe command commands\n        return\n    fi\n\
         \x20   if [[ ${words[2]} != -* ]]; then\n        command=${words[2]}\n\
         \x20       shift words\n\
         \x20       (( CURRENT-- ))\n    fi\n    case $command in\n",
    );
    for (name, _, flags) in commands() {
        out.push_str(&format!("        {name})\n            _arguments -s \\\n"));
        for flag in &flags {
            let help = zsh_text(flag.help.trim_end_matches('.'));
            let action = match (flag.value, values(flag)) {
                (None, _) => String::new(),
                (Some(value), Values::Words(words)) => format!(":{value}:({})", words.join(" ")),
                (Some(value), Values::Files) => format!(":{value}:_files"),
                (Some(value), Values::Directories) => format!(":{value}:_files -/"),
                (Some(value), Values::Anything) => format!(":{}: ", zsh_text(value)),
            };
            let equals = if flag.value.is_some() { "=" } else { "" };
            out.push_str(&format!(
                "                '*--{}{equals}[{help}]{action}' \\\n",
                flag.long
            ));
            if let Some(short) = flag.short {
                let plus = if flag.value.is_some() { "+" } else { "" };
                out.push_str(&format!("                '*-{short}{plus}[{help}]{action}' \\\n"));
            }
        }
        out.push_str("                '(- *)--help[Show help]'");
        let rest = match argument_values(name) {
            Values::Words(words) => format!("':value:({})'", words.join(" ")),
            Values::Files => "'*:file:_files'".to_owned(),
            Values::Directories => "'*:directory:_files -/'".to_owned(),
            Values::Anything if name == "query" => format!("'*:question:({QUESTIONS})'"),
            Values::Anything => "'*: : '".to_owned(),
        };
        out.push_str(&format!(" \\\n                {rest} ;;\n"));
    }
    out.push_str(
        "        help) _describe command commands ;;\n    esac\n}\n\
         if [ \"$funcstack[1]\" = _logcaster ]; then _logcaster \"$@\"; \
         else compdef _logcaster logcaster; fi\n",
    );
    out
}

/// `text` inside single quotes of fish.
fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish() -> String {
    let names: Vec<&str> = commands().iter().map(|(name, _, _)| *name).collect();
    let all = names.join(" ");
    let mut out = format!(
        "# fish completion for logcaster: logcaster completion fish > \
         ~/.config/fish/completions/logcaster.fish\ncomplete -c logcaster -f\n\
         complete -c logcaster -n '__fish_seen_subcommand_from help' -a '{all}'\n"
    );
    for (name, about, flags) in commands() {
        out.push_str(&format!(
            "complete -c logcaster -n __fish_use_subcommand -a {name} -d '{}'\n",
            fish_text(about)
        ));
        let mut place = format!("__fish_seen_subcommand_from {name}");
        if name == "serve" {
            place.push_str("; or __fish_use_subcommand");
        }
        for flag in &flags {
            let short = flag.short.map_or(String::new(), |short| format!(" -s {short}"));
            let action = match (flag.value, values(flag)) {
                (None, _) => String::new(),
                (Some(_), Values::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
                (Some(_), Values::Files) => " -r -F".to_owned(),
                (Some(_), Values::Directories) => {
                    " -x -a '(__fish_complete_directories)'".to_owned()
                }
                (Some(_), Values::Anything) => " -x".to_owned(),
            };
            out.push_str(&format!(
                "complete -c logcaster -n '{place}' -l {}{short}{action} -d '{}'\n",
                flag.long,
                fish_text(flag.help.trim_end_matches('.'))
            ));
        }
        let rest = match argument_values(name) {
            Values::Words(words) => format!("-a '{}'", words.join(" ")),
            Values::Files => "-F".to_owned(),
            Values::Directories => "-a '(__fish_complete_directories)'".to_owned(),
            Values::Anything if name == "query" => format!("-a '{QUESTIONS}'"),
            Values::Anything => continue,
        };
        let place = format!("__fish_seen_subcommand_from {name}");
        out.push_str(&format!("complete -c logcaster -n '{place}' {rest}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn every_script_holds_every_command_and_flag() {
        for shell in SHELLS {
            let script = render(shell).unwrap();
            for (name, _, flags) in commands() {
                assert!(script.contains(name), "{shell} {name}");
                for flag in flags {
                    let long = match shell {
                        "fish" => format!("-l {}", flag.long),
                        _ => format!("--{}", flag.long),
                    };
                    assert!(script.contains(&long), "{shell} {name} {long}");
                }
            }
        }
        assert!(render("tcsh").is_none());
    }

    /// Runs `bash` over the script and completes `words`, the last of them unfinished.
    fn complete(words: &[&str]) -> Option<String> {
        let script = format!(
            "{}\nCOMP_WORDS=(logcaster {})\nCOMP_CWORD={}\n_logcaster\n\
             echo \"${{COMPREPLY[*]}}\"\n",
            bash(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len()
        );
        let mut command = Command::new("bash");
        command.arg("--norc").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // A machine without bash has nothing to check here.
        let mut shell = command.spawn().ok()?;
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success());
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    #[test]
    fn bash_completes() {
        let cases: [(&[&str], &str); 8] = [
            (&["que"], "query"),
            (&["--log-p"], "--log-port"),
            (&["-P", "--log-f"], "--log-format"),
            (&["serve", "--log-level", "w"], "warn"),
            (&["--log-format", ""], "text json"),
            (&["completion", "z"], "zsh"),
            (&["query", "SEA"], "SEARCH"),
            (&["export", "--format", "j"], "json"),
        ];
        for (words, expected) in cases {
            if let Some(found) = complete(words) {
                assert_eq!(found, expected, "{words:?}");
            }
        }
    }
}
