//! Packs the files of the web page, so that the binary holds them once, as browsers take them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// Where the page is written, and the media types of what it is made of.
const PAGE: &str = "src/page";
const TYPES: [(&str, &str); 4] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
];

fn main() {
    println!("cargo::rerun-if-changed={PAGE}");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let out = Path::new(&out);
    let mut names: Vec<String> = fs::read_dir(PAGE)
        .expect("the page is there")
        .map(|entry| entry.expect("its folder can be read").file_name())
        .map(|name| name.into_string().expect("names are plain"))
        .collect();
    names.sort();
    let mut table = String::from("&[\n");
    for name in &names {
        let extension = name.rsplit('.').next().unwrap_or_default();
        let Some((_, content_type)) = TYPES.iter().find(|(one, _)| *one == extension) else {
            continue;
        };
        let text = fs::read(Path::new(PAGE).join(name)).expect("a file of the page can be read");
        let mut crc = Crc::new();
        crc.update(&text);
        // Weak, for it names the text however it is packed.
        let etag = format!("W/\\\"{:08x}-{}\\\"", crc.sum(), text.len());
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&text).expect("memory takes what is written");
        let packed = packed.finish().expect("memory takes what is written");
        let file = format!("{name}.gz");
        fs::write(out.join(&file), packed).expect("the folder for it can be written");
        writeln!(
            table,
            "    Asset {{ name: \"{name}\", content_type: \"{content_type}\", etag: \"{etag}\", \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\")) }},"
        )
        .expect("a text takes what is written");
    }
    table.push(']');
    fs::write(out.join("page.rs"), table).expect("the folder for it can be written");
}
