// Reads every file of the directory given, sorts their lines and writes them to DIR/report.txt; prints how many
// there were, an argument and an environment variable: Rust's standard library over WASI 0.1.
use std::collections::BTreeMap;
use std::io::Write;
use std::{env, fs, io, process, time};

fn run(directory: &str) -> io::Result<usize> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            for line in fs::read_to_string(entry.path())?.lines() {
                *lines.entry(line.to_string()).or_default() += 1;
            }
        }
    }
    let mut report = fs::File::create(format!("{directory}/report.txt"))?;
    for (line, times) in &lines {
        writeln!(report, "{times} {line}")?;
    }
    Ok(lines.len())
}

fn main() {
    let started = time::Instant::now();
    let directory = env::args().nth(1).unwrap_or_else(|| ".".to_string());
    match run(&directory) {
        Ok(lines) => println!("{lines} different lines"),
        Err(error) => {
            eprintln!("report: {directory}: {error}");
            process::exit(1);
        }
    }
    println!(
        "NAME is {}",
        env::var("NAME").unwrap_or_else(|_| "not set".to_string())
    );
    println!("took time: {}", started.elapsed().as_nanos() > 0);
}
