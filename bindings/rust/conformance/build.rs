//! Lets the runner find libtenon in a folder that the tests name.
fn main() {
    println!("cargo:rerun-if-env-changed=TENON_LIB_DIR");
    if let Ok(folder) = std::env::var("TENON_LIB_DIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
