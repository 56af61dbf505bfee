//! IRCv3 labeled-response, by its examples.

use super::{go_on, waiting};
use crate::limits::IRC_LABEL_BYTES_MAX;
use crate::proto::irc::caps::Cap;
use crate::session::irc::commands::Call;
use crate::session::irc::testing::Party;
use crate::session::irc::unfinished;

fn room() -> Party {
    let mut party = Party::new(&["alice", "bob"]);
    party.grant("alice", &[Cap::LabeledResponse, Cap::Batch]);
    party
}

#[test]
fn an_answer_carries_the_label_of_its_command() {
    room().play(
        "
        -- no answer: ACK
        alice> @label=a PONG x
        alice< @label=a :irc.test ACK
        alice> @label=a PRIVMSG bob :hi
        bob< :alice!alice@host PRIVMSG bob :hi
        alice< @label=a :irc.test ACK
        -- one line
        alice> @label=b\\sc PING x
        alice< @label=b\\sc :irc.test PONG irc.test :x
        alice> @label=d NONSENSE
        alice< @label=d :irc.test 421 alice NONSENSE :Unknown command
        -- more
        alice> @label=e WHO bob
        alice< @label=e :irc.test BATCH +r* labeled-response
        alice< @batch=r* :irc.test 352 alice * bob host irc.test bob H :0 *
        alice< @batch=r* :irc.test 315 alice bob :*
        alice< :irc.test BATCH -r*
        -- what comes of it to others has none
        alice> @label=f JOIN #a
        alice< @label=f :irc.test BATCH +r* labeled-response
        alice< @batch=r* :alice!alice@host JOIN #a
        alice< @batch=r* :irc.test 353 alice = #a :@alice
        alice< @batch=r* :irc.test 366 alice #a :*
        alice< :irc.test BATCH -r*
        -- nor has a command without one, or of somebody who did not ask for it
        alice> PING x
        alice< :irc.test PONG irc.test :x
        bob> @label=x PING x
        bob< :irc.test PONG irc.test :x
        ",
    );
}

#[test]
fn the_echo_of_a_message_to_oneself_is_labelled_and_the_message_is_not() {
    let mut party = room();
    party.grant("alice", &[Cap::EchoMessage, Cap::MessageTags]);
    party.play(
        "
        alice> @label=a PRIVMSG alice :hi
        alice< @label=a;msgid=* :alice!alice@host PRIVMSG alice :hi
        alice< @msgid=* :alice!alice@host PRIVMSG alice :hi
        alice> @label=b PRIVMSG alice,bob :hi
        alice< @label=b :irc.test BATCH +r* labeled-response
        alice< @batch=r*;msgid=* :alice!alice@host PRIVMSG alice :hi
        alice< @batch=r*;msgid=* :alice!alice@host PRIVMSG bob :hi
        alice< :irc.test BATCH -r*
        alice< @msgid=* :alice!alice@host PRIVMSG alice :hi
        bob< :alice!alice@host PRIVMSG bob :hi
        ",
    );
}

#[test]
fn a_label_too_long_is_none() {
    let mut party = room();
    for (bytes, is_labelled) in [(IRC_LABEL_BYTES_MAX, true), (IRC_LABEL_BYTES_MAX + 1, false)] {
        party.send("alice", format!("@label={} PING x", "l".repeat(bytes)).as_bytes());
        assert_eq!(party.take("alice")[0].starts_with("@label="), is_labelled);
    }
    party.send("alice", b"@label= PING x");
    assert_eq!(party.take("alice"), [":irc.test PONG irc.test :x"]);
}

#[test]
fn a_command_done_in_steps_is_one_batch() {
    let mut party = room();
    for at in 0..700 {
        party.register(&format!("user{at}"));
    }
    party.send("alice", b"@label=a WHO *");
    let mut lines = party.take("alice");
    let (user, mono, wall) = (party.id("alice"), party.mono, party.wall);
    loop {
        let start = waiting(&party.irc, user);
        if !unfinished::go_on(&mut Call { irc: &mut party.irc, user, mono, wall }) {
            break;
        }
        go_on(&mut party.irc, user, start);
        lines.extend(party.take("alice"));
    }
    let name = lines[0].strip_prefix("@label=a :irc.test BATCH +").unwrap();
    let name = name.strip_suffix(" labeled-response").unwrap();
    assert_eq!(lines.last().unwrap(), &format!(":irc.test BATCH -{name}"));
    let tag = format!("@batch={name} :irc.test 3");
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with(&tag)));
    assert_eq!(lines.len(), 702 + 2 + 1);
}

#[test]
fn an_answer_that_is_a_batch_already_has_its_label_on_that() {
    let mut party = room();
    let id = party.id("alice");
    let lines = b":s BATCH +x chathistory #a\r\n@batch=x :b PRIVMSG #a :1\r\n:s BATCH -x\r\n";
    party.user("alice").out = lines.to_vec();
    super::finish(&mut party.irc, id, b"label=a", 0);
    let heard = party.take("alice");
    assert_eq!(heard[0], "@label=a :s BATCH +x chathistory #a");
    assert_eq!(heard[1..], ["@batch=x :b PRIVMSG #a :1", ":s BATCH -x"]);
}
