//! What kind of file is this? Google's magika network on Tenon.
//!
//!     cargo run --release -- MODEL.onnx LABELS.txt FILE…
//!
//! LABELS.txt holds the network's labels, a line each. Prints each file's name, its likeliest label and the score.
use std::fs;
use tenon::{Builder, BuilderConfig, Engine, OptimizationProfile, Runtime, Tensor};

// Features as magika's documentation defines them.
const HALF: usize = 1024;
const BLOCK: usize = 4096;
const PADDING: i32 = 256;

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The first bytes without leading space, padded behind; then the last bytes without trailing space, padded in front.
fn features(file: &[u8]) -> Vec<i32> {
    let (begin, end) = (&file[..file.len().min(BLOCK)], &file[file.len().saturating_sub(BLOCK)..]);
    let begin = &begin[begin.iter().take_while(|byte| is_space(byte)).count()..];
    let end = &end[..end.len() - end.iter().rev().take_while(|byte| is_space(byte)).count()];
    let (begin, end) = (&begin[..begin.len().min(HALF)], &end[end.len().saturating_sub(HALF)..]);
    let padding = |count: usize| std::iter::repeat(PADDING).take(HALF - count);
    let numbers = |bytes: &'_ [u8]| bytes.iter().map(|&byte| i32::from(byte)).collect::<Vec<_>>();
    numbers(begin).into_iter().chain(padding(begin.len())).chain(padding(end.len())).chain(numbers(end)).collect()
}

fn load(model: &str) -> tenon::Result<Engine> {
    let builder = Builder::new()?;
    let network = builder.network_from_file(model)?;
    let profile = OptimizationProfile::new()?;
    let shape = |batch| [batch, 2 * HALF as i64];
    profile.set_shapes("bytes", &shape(1), &shape(1), &shape(32))?;
    let config = BuilderConfig::new()?;
    config.add_profile(&profile)?;
    let plan = builder.build(&network, &config)?;
    Engine::new(&Runtime::new()?, &plan)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, labels, files @ ..] = &arguments[..] else {
        return Err("usage: classify MODEL.onnx LABELS.txt FILE…".into());
    };
    let labels = fs::read_to_string(labels)?;
    let labels: Vec<&str> = labels.lines().collect();
    let engine = load(model)?;

    let mut batch = Vec::new();
    for file in files {
        batch.extend(features(&fs::read(file)?));
    }
    let bytes = Tensor::new(&[files.len() as i64, 2 * HALF as i64], batch)?;
    let outputs = engine.run(&[("bytes", &bytes)])?;
    let scores = outputs.get::<f32>("target_label")?;
    for (file, row) in files.iter().zip(scores.data().chunks(labels.len())) {
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).ok_or("the network has no labels")?;
        println!("{file} {} {:.4}", labels[best], row[best]);
    }
    Ok(())
}
