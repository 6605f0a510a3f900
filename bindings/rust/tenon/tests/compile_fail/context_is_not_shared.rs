// E0277
pub fn run(context: tenon::ExecutionContext) {
    let shared = std::sync::Arc::new(context);
    std::thread::spawn(move || drop(shared));
}
