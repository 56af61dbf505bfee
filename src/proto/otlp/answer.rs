//! What an exporter is told: `ExportLogsServiceResponse`, and `google.rpc.Status` where it failed.

use super::super::protobuf::{write_bytes, write_varint};
use crate::message::escape::escape;

/// Appends the answer to an export of which `rejected` records could not be stored; why is in
/// `message`, which may be a warning where all were. With neither it is `{}`, or no bytes at all in
/// protobuf: OTLP, Partial Success.
pub fn write_answer(is_json: bool, rejected: u64, message: &str, out: &mut Vec<u8>) {
    let is_full = rejected == 0 && message.is_empty();
    if !is_json {
        if !is_full {
            let mut partial = Vec::new();
            write_varint(1, rejected, &mut partial);
            write_bytes(2, message.as_bytes(), &mut partial);
            write_bytes(1, &partial, out);
        }
        return;
    }
    if is_full {
        out.extend_from_slice(b"{}");
        return;
    }
    // A number of 64 bits is a text in the JSON of protobuf.
    let head = format!("{{\"partialSuccess\":{{\"rejectedLogRecords\":\"{rejected}\"");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b",\"errorMessage\":\"");
    escape(message.as_bytes(), out);
    out.extend_from_slice(b"\"}}");
}

/// Appends the body of an answer with an error status: OTLP, Failures.
pub fn write_failure(is_json: bool, message: &str, out: &mut Vec<u8>) {
    if !is_json {
        return write_bytes(2, message.as_bytes(), out);
    }
    out.extend_from_slice(b"{\"message\":\"");
    escape(message.as_bytes(), out);
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Partial {
        #[prost(int64, tag = "1")]
        rejected: i64,
        #[prost(string, tag = "2")]
        message: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Response {
        #[prost(message, optional, tag = "1")]
        partial: Option<Partial>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
    }

    fn answer(is_json: bool, rejected: u64, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_answer(is_json, rejected, message, &mut out);
        out
    }

    #[test]
    fn full_success_says_nothing() {
        assert_eq!(answer(false, 0, ""), b"");
        assert_eq!(answer(true, 0, ""), b"{}");
    }

    #[test]
    fn partial_success_says_how_many_and_why() {
        let read = Response::decode(&answer(false, 300, "no \"time\"")[..]).unwrap();
        let partial = Partial { rejected: 300, message: "no \"time\"".to_owned() };
        assert_eq!(read.partial, Some(partial));
        let json = answer(true, 300, "no \"time\"");
        let expected =
            r#"{"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"no \"time\""}}"#;
        assert_eq!(std::str::from_utf8(&json).unwrap(), expected);
    }

    #[test]
    fn a_failure_is_a_status() {
        let (mut wire, mut json) = (Vec::new(), Vec::new());
        write_failure(false, "full", &mut wire);
        write_failure(true, "full", &mut json);
        let status = Status { code: 0, message: "full".to_owned() };
        assert_eq!(Status::decode(&wire[..]).unwrap(), status);
        assert_eq!(json, br#"{"message":"full"}"#);
    }
}
