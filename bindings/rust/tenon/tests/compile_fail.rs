//! What must not compile: each file of compile_fail names, in its first line, the error that rustc must give.
use std::path::{Path, PathBuf};
use std::process::Command;

fn newest(folder: &Path, stem: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(stem) && name.ends_with(".rlib")
    });
    named.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("the crate was built for this test")
}

fn compile(file: &Path) -> (bool, String) {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let out = std::env::temp_dir().join(format!("tenon-compile-fail-{}", std::process::id()));
    std::fs::create_dir_all(&out).unwrap();
    let crate_ = format!("tenon={}", newest(&deps, "libtenon-").display());
    let done = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .args(["--edition", "2021", "--crate-type", "lib", "--emit", "metadata", "--extern", &crate_, "-L"])
        .arg(format!("dependency={}", deps.display()))
        .arg("--out-dir")
        .arg(&out)
        .arg(file)
        .output()
        .expect("rustc");
    let _ = std::fs::remove_dir_all(&out);
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn what_must_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6);
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let expected = source.lines().next().unwrap().trim_start_matches("// ").to_owned();
        let (compiled, said) = compile(&file);
        if expected == "compiles" {
            assert!(compiled, "{}: {said}", file.display());
        } else {
            assert!(!compiled, "{} compiles", file.display());
            assert!(said.contains(&format!("error[{expected}]")), "{}: not {expected} but: {said}", file.display());
        }
    }
}
