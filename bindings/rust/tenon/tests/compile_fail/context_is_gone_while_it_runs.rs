// E0382
pub fn run(context: tenon::ExecutionContext) -> tenon::Result<i32> {
    let running = context.enqueue(Vec::new());
    let profile = context.profile();
    drop(running);
    profile
}
