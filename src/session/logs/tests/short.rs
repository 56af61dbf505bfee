//! Where the memory budget has no room for the rest of a frame.

use super::*;

impl Sender {
    /// As the reactor does where there is no room.
    fn cut_short(&mut self) {
        let mut taken = Taken::default();
        self.session.cut_short(&mut taken, &mut self.rig.sink());
        assert_eq!(taken.full, None);
        self.refused = taken.refused;
    }
}

#[track_caller]
fn check(sender: &Sender, texts: &[&str], cut_for_memory: u64, cut_bytes: u64) {
    assert_eq!(sender.texts(), texts);
    let metrics = sender.metrics();
    assert_eq!((metrics.cut_for_memory, metrics.cut_bytes), (cut_for_memory, cut_bytes));
}

#[test]
fn a_line_is_stored_as_far_as_it_came() {
    let mut sender = Sender::new();
    sender.read(b"whole\nbegun");
    sender.cut_short();
    sender.read(b" and more\nnext\n");
    check(&sender, &["whole", "begun...", "next"], 1, 9);
    // Of what is dropped nothing is kept, however long it is.
    sender.read(b"again");
    sender.cut_short();
    sender.read(b"123");
    assert_eq!(sender.session.held_bytes(), 0);
    sender.cut_short();
    sender.reads(&[b"456\nend"]);
    check(&sender, &["whole", "begun...", "next", "again...", "end"], 2, 15);
}

#[test]
fn a_counted_frame_is_stored_as_far_as_it_came() {
    let mut sender = Sender::new();
    let frames = counted(b"<14>begun and\nmore").repeat(2);
    sender.read(&frames[..8]);
    sender.cut_short();
    sender.read(&frames[8..]);
    check(&sender, &["<14>b...", "<14>begun and\\nmore"], 1, 13);
}

#[test]
fn a_compressed_frame_is_dropped_and_counted() {
    let mut sender = Sender::new();
    let frame = compressed(b"<14>compressed");
    sender.read(&frame[..10]);
    sender.cut_short();
    sender.reads(&[&frame[10..], b"<14>next\n"]);
    check(&sender, &["<14>next"], 0, frame.len() as u64);
}

#[test]
fn what_is_beyond_the_limit_is_counted() {
    let mut sender = Sender::new();
    let frame = counted(&[b"<14>".as_slice(), &[b'x'; 200]].concat());
    let read = 4 + LINE_BYTES_MAX + 5;
    sender.read(&frame[..read]);
    sender.cut_short();
    sender.reads(&[&frame[read..], b"<14>next\n"]);
    let text = format!("<14>{}...", "x".repeat(LINE_BYTES_MAX - 4));
    check(&sender, &[&text, "<14>next"], 1, 204 - LINE_BYTES_MAX as u64);
}

#[test]
fn joined_lines_are_stored_before_the_piece_behind_them() {
    let mut sender = Sender::joining("^A");
    sender.read(b"A one\n at x\n at y");
    sender.cut_short();
    check(&sender, &["A one\\n at x", " at y..."], 1, 0);
    assert_eq!(sender.session.held_bytes(), 0);
    sender.read(b"z\nA two\n");
    sender.cut_short();
    check(&sender, &["A one\\n at x", " at y...", "A two"], 1, 1);
}

#[test]
fn a_gzip_stream_is_refused_after_what_it_held() {
    let mut sender = Sender::joining("^A");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"A one\n at x\n at y").unwrap();
    encoder.flush().unwrap();
    sender.read(encoder.get_ref());
    sender.cut_short();
    assert_eq!(sender.refused, Some(Refused::Memory));
    check(&sender, &["A one\\n at x\\n at y"], 0, 0);
}

#[test]
fn a_proxys_header_is_no_record() {
    let mut sender = Sender::new();
    sender.session.expect_proxy();
    sender.read(b"PROXY TCP4 ");
    sender.cut_short();
    assert_eq!(sender.refused, Some(Refused::Memory));
    assert_eq!(sender.texts(), [""; 0]);
}

#[test]
fn dropping_goes_on_where_memory_stays_short() {
    // The rest of a counted frame that is dropped ends in what could begin another.
    let frame = counted(&[b"<14>".as_slice(), &[b'x'; 200], b"\n<1 is no mark"].concat());
    let input = [frame.as_slice(), &counted(b"<14>next")].concat();
    // With less than its count and PRI nobody knows that it is one.
    for cut in 8..=input.len() {
        let mut sender = Sender::new();
        sender.read(&input[..cut]);
        if !sender.session.held.is_empty() {
            sender.cut_short();
        }
        sender.reads(&[&input[cut..]]);
        let texts = sender.texts();
        if cut <= frame.len() {
            assert_eq!(texts.last().unwrap(), "<14>next", "cut at {cut}: {texts:?}");
        }
    }
}
