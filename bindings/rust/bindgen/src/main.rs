//! `tenon-bindgen HEADER OUTPUT [CLANG ARGUMENT …]`: the functions and types of tenon.h in Rust. The constants are left to
//! constants.rs, where they have the types that the functions take.
use std::env;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [header, output, clang @ ..] = &arguments[..] else {
        eprintln!("usage: tenon-bindgen HEADER OUTPUT [CLANG ARGUMENT ...]");
        std::process::exit(2);
    };
    let bindings = bindgen::Builder::default()
        .header(header)
        .clang_args(clang)
        .allowlist_function("tn_.*")
        .allowlist_type("tn_.*")
        .blocklist_type(".*_constants")
        .enable_function_attribute_detection()
        .rust_target(bindgen::RustTarget::stable(70, 0).unwrap_or_else(|_| panic!("a Rust version")))
        .layout_tests(true)
        .formatter(bindgen::Formatter::Prettyplease)
        .disable_header_comment()
        .raw_line("// Written by bindgen from include/tenon/tenon.h (`make bindings`).")
        .generate()
        .unwrap_or_else(|error| panic!("{error}"));
    bindings.write_to_file(output).unwrap_or_else(|error| panic!("{output}: {error}"));
}
