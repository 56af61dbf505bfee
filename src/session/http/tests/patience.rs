//! How long a client may be silent, and what it hears when we are.

use super::*;
use crate::limits::HTTP_TAILS_MAX;

const TAIL: &[u8] = b"GET /api/tail?n=0 HTTP/1.1\r\nHost: x\r\n\r\n";

/// What the client hears when its time is over, and the connection's end.
fn at_the_end(mut client: Client) -> Vec<String> {
    client.session.time_out(NOW, &mut client.out);
    client.hear(b"");
    assert!(client.is_closed);
    answers(&client.out)
}

#[test]
fn a_head_that_never_ends_is_answered_with_408() {
    let mut client = Client::new();
    client.session.heard(7, true);
    client.session.keep(b"GET / HT");
    // What comes later does not put it off.
    client.session.heard(5000 * MS, false);
    assert_eq!(client.session.deadline(), Some(7 + HTTP_HEAD_MS * MS));
    let said = at_the_end(client);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("408 "), "{said:?}");
}

#[test]
fn a_connection_without_requests_is_closed() {
    let mut client = Client::new();
    client.session.heard(7, true);
    assert_eq!(client.session.deadline(), Some(7 + HTTP_IDLE_MS * MS));
    // There is nothing to answer.
    assert_eq!(at_the_end(client), Vec::<String>::new());
    // Nor is there after a request; in the middle of a body there is.
    let mut client = Client::new();
    client.hear(&post("/insert/raw", "", b"a line\n"));
    client.out.clear();
    assert_eq!(client.session.deadline(), Some(HTTP_IDLE_MS * MS));
    assert_eq!(at_the_end(client), Vec::<String>::new());
    let mut client = Client::new();
    client.hear(b"POST /insert/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na line\n");
    client.session.heard(9, true);
    assert_eq!(client.session.deadline(), Some(9 + HTTP_IDLE_MS * MS));
    let said = at_the_end(client);
    assert!(said.len() == 1 && said[0].contains("408"), "{said:?}");
}

#[test]
fn a_silent_tail_is_kept_alive() {
    let mut client = Client::new();
    client.hear(TAIL);
    assert!(client.session.is_tail());
    assert_eq!(client.session.deadline(), None, "the silence is ours");
    let before = client.out.len();
    client.session.keep_alive(&mut client.out);
    let said = String::from_utf8(client.out[before..].to_vec()).unwrap();
    let (size, rest) = said.split_once("\r\n").unwrap();
    let comment = rest.strip_suffix("\r\n").unwrap();
    assert!(comment.starts_with(": keep-alive\n") && comment.ends_with("\n\n"), "{said:?}");
    assert_eq!(usize::from_str_radix(size, 16), Ok(comment.len()));
}

#[test]
fn a_tail_too_many_is_told_so() {
    let mut client = Client::new();
    client.tails_open = HTTP_TAILS_MAX;
    client.hear(TAIL);
    let said = answers(&client.out);
    assert!(said[0].contains("503") && said[0].contains("tails are open"), "{said:?}");
    assert!(!client.is_closed && !client.session.is_tail());
    client.tails_open -= 1;
    client.hear(TAIL);
    assert!(client.session.is_tail());
}
