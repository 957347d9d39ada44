//! Inputs and outputs in an object store: a local S3 server stands in.
//!
//! `CONCENTRA_TEST_S3` names the program `moto_server`, of the Python package `moto[server,s3]`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use crate::shell::{Ran, Shell, numbers};

/// A server of one bucket, `lake`, and a folder to run the program in.
struct S3 {
    server: Child,
    port: u16,
    shell: Shell,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl S3 {
    fn start() -> Option<Self> {
        let Ok(program) = std::env::var("CONCENTRA_TEST_S3") else {
            drop(writeln!(std::io::stderr(), "SKIPPED: object stores: set CONCENTRA_TEST_S3"));
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let shell = Shell::new();
        // What the server records it keeps where it runs.
        command.current_dir(shell.path(""));
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        std::os::unix::fs::symlink(data, shell.path("data")).unwrap();
        let s3 = Self { server: command.spawn().expect("moto_server is installed"), port, shell };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        s3.ask("PUT", "/lake", b"");
        Some(s3)
    }

    /// A request of the bucket's owner, whose signature this server does not verify; the body of the answer.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=key/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=0\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        answer.split_off(end)
    }

    fn put(&self, key: &str, file: &Path) {
        self.ask("PUT", &format!("/lake/{key}"), &fs::read(file).unwrap());
    }

    /// The sample's weeks, in their folders.
    fn with_weeks(&self) {
        for week in fs::read_dir(self.shell.path("data/holders/cndr")).unwrap() {
            let week = week.unwrap().path();
            let name = week.file_name().unwrap().to_str().unwrap();
            self.put(&format!("cndr/{name}/balances.parquet"), &week.join("balances.parquet"));
        }
        self.put("cndr/_hidden/x.parquet", Path::new(file!()));
        self.put("cndr/readme.txt", Path::new(file!()));
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = self.shell.command();
        command.args(line.split_whitespace());
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port));
        command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        crate::shell::finish(command, vec![])
    }

    /// The ranges that were asked of an object while `work` ran.
    fn asked(&self, object: &str, work: impl FnOnce()) -> Vec<(u64, u64)> {
        self.ask("POST", "/moto-api/recorder/reset-recording", b"");
        self.ask("POST", "/moto-api/recorder/start-recording", b"");
        work();
        self.ask("POST", "/moto-api/recorder/stop-recording", b"");
        let recorded =
            String::from_utf8(self.ask("GET", "/moto-api/recorder/download-recording", b"")).unwrap();
        let requests = recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_object = requests.filter(|request| {
            request["method"] == "GET" && request["url"].as_str().unwrap().ends_with(object)
        });
        of_object
            .map(|request| {
                let range = request["headers"]["Range"].as_str().expect("every read is of a range");
                let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                (first.parse().unwrap(), last.parse::<u64>().unwrap() + 1)
            })
            .collect()
    }
}

#[track_caller]
fn printed(ran: Ran) -> String {
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    ran.stdout
}

#[test]
fn objects_are_read_as_files_are() {
    let Some(s3) = S3::start() else { return };
    s3.with_weeks();
    for (local, remote) in [
        ("data/holders/cndr", "s3://lake/cndr"),
        ("data/holders/cndr", "s3://lake/cndr/"),
        ("data/holders/cndr", "s3://lake"),
        ("data/holders/cndr/week=2025-0[23]-*", "s3://lake/cndr/week=2025-0[23]-*/*.parquet"),
        (
            "data/holders/cndr/week=2025-01-06/balances.parquet",
            "s3://lake/cndr/week=2025-01-06/balances.parquet",
        ),
    ] {
        let of = |paths: &str| printed(s3.run(&format!("analyze {paths} --format csv")));
        assert_eq!(of(remote), of(local), "{remote}");
    }
    // What consoles make of a folder.
    s3.ask("PUT", "/lake/marked/", b"");
    s3.put("marked/balances.parquet", &s3.shell.path("data/holders/cndr/week=2025-01-06/balances.parquet"));
    for address in ["s3://lake/marked", "s3://lake/marked/"] {
        let marked =
            printed(s3.run(&format!("analyze {address} --by token_address --metrics gini --format csv")));
        assert_eq!(marked.lines().count(), 2, "{marked}");
    }
    let both = printed(s3.run("analyze s3://lake/cndr data/holders/lark --metrics gini --format csv"));
    assert_eq!(both.lines().count(), 1 + 24);
    let inspected = printed(s3.run("inspect s3://lake/cndr/week=2025-01-06/balances.parquet"));
    assert!(inspected.contains("week") && inspected.contains("balance"), "{inspected}");
}

#[test]
fn only_the_columns_that_are_needed_cross_the_network() {
    let Some(s3) = S3::start() else { return };
    let n = 60_000u64;
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("{:x}", i * 2_654_435_761))));
    let wide = (0..8).map(|i| (["a", "b", "c", "d", "e", "f", "g", "h"][i], texts.clone()));
    let columns = wide.chain([("balance", numbers((0..n).map(|i| i * i % 1_000_003 + 1)))]).collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20_000)).build();
    let path = s3.shell.parquet_with("wide.parquet", columns, properties);
    s3.put("wide.parquet", &path);
    let asked = s3.asked("wide.parquet", || {
        printed(s3.run("analyze s3://lake/wide.parquet --by none --metrics gini --format csv"));
    });
    let file = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut needed: Vec<(u64, u64)> = (0..3)
        .map(|row_group| {
            let (start, length) = file.metadata().row_group(row_group).column(8).byte_range();
            (start, start + length)
        })
        .collect();
    let size = fs::metadata(&path).unwrap().len();
    // One request for the end of the file with its footer, and one for each of the three column chunks.
    needed.push((size - (64 << 10), size));
    let mut asked = asked;
    asked.sort_unstable();
    needed.sort_unstable();
    assert_eq!(asked, needed);
    let read: u64 = asked.iter().map(|(from, to)| to - from).sum();
    assert!(read * 4 < size, "{read} of {size} bytes");
}

#[test]
fn results_become_objects_whole_or_not_at_all() {
    let Some(s3) = S3::start() else { return };
    s3.with_weeks();
    let ran = s3.run("analyze data/holders/cndr -o s3://lake/out/r.parquet");
    printed(ran);
    printed(s3.run("analyze data/holders/cndr -o local.parquet"));
    let local = fs::read(s3.shell.path("local.parquet")).unwrap();
    assert_eq!(s3.ask("GET", "/lake/out/r.parquet", b""), local);

    let ran = s3.run("analyze data/holders/lark -o s3://lake/out/r.parquet");
    assert_eq!((ran.status, ran.stderr.contains("--overwrite")), (Some(2), true), "{}", ran.stderr);
    assert_eq!(s3.ask("GET", "/lake/out/r.parquet", b""), local);
    printed(s3.run("analyze data/holders/lark -o s3://lake/out/r.parquet --overwrite"));
    assert_ne!(s3.ask("GET", "/lake/out/r.parquet", b""), local);

    // What fails leaves nothing, and a page is an object too.
    let ran = s3.run("analyze data/lp/positions.parquet --amount pnl -o s3://lake/out/none.parquet");
    assert_eq!(ran.status, Some(1));
    assert!(String::from_utf8_lossy(&s3.ask("GET", "/lake/out/none.parquet", b"")).contains("NoSuchKey"));
    printed(s3.run("report s3://lake/out/r.parquet -o s3://lake/out/r.html"));
    assert!(s3.ask("GET", "/lake/out/r.html", b"").starts_with(b"<!doctype html>"));
}

#[test]
fn a_large_result_goes_in_pieces() {
    let Some(s3) = S3::start() else { return };
    printed(s3.run("generate -o big.parquet --rows 600000 --groups 150000 --seed 1"));
    let line = "analyze big.parquet -o s3://lake/big.csv";
    printed(s3.run(line));
    printed(s3.run("analyze big.parquet -o big.csv"));
    let local = fs::read(s3.shell.path("big.csv")).unwrap();
    assert!(local.len() > 32 << 20, "{} bytes", local.len());
    assert!(s3.ask("GET", "/lake/big.csv", b"") == local);
    assert_eq!(s3.run(line).status, Some(2));
}

#[test]
fn a_batch_of_objects_goes_on_where_it_was() {
    let Some(s3) = S3::start() else { return };
    s3.with_weeks();
    printed(s3.run("analyze s3://lake/cndr -o parts/"));
    let again = s3.run("analyze s3://lake/cndr -o parts/");
    assert!(again.stderr.contains("nothing was missing or changed"), "{}", again.stderr);
    s3.put(
        "cndr/week=2025-01-06/balances.parquet",
        &s3.shell.path("data/holders/cndr/week=2025-01-13/balances.parquet"),
    );
    let changed = s3.run("analyze s3://lake/cndr -o parts/");
    assert!(changed.stderr.contains("1 made"), "{}", changed.stderr);
}

#[test]
fn errors_name_the_address() {
    let Some(s3) = S3::start() else { return };
    s3.put("text.parquet", Path::new(file!()));
    for (line, status, says) in [
        ("analyze s3://lake/none.parquet", 1, "s3://lake/none.parquet: cannot open the address"),
        ("analyze s3://none/x/", 1, "s3://none/x/: cannot open the address"),
        ("analyze s3:///x", 1, "names no bucket"),
        ("analyze s3://lake/*.csv", 1, "no such object"),
        ("analyze s3://lake/text.parquet", 1, "this is no Parquet file"),
        ("analyze data/holders/cndr -o s3://lake/parts/", 2, "is on a disk"),
        ("analyze data/holders/cndr -o s3://none/r.parquet", 1, "s3://none/r.parquet"),
        ("analyze s3://lake/text.parquet -o s3://lake/text.parquet --overwrite", 2, "is an input"),
        ("analyze s3://lake/text.parquet -o s3a://lake/text.parquet --overwrite", 2, "is an input"),
    ] {
        let ran = s3.run(line);
        assert_eq!((ran.status, ran.stderr.contains(says)), (Some(status), true), "{line}: {}", ran.stderr);
    }
}
