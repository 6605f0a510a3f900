// E0505
pub fn run(plan: tenon::Blob) -> u8 {
    let bytes = plan.bytes();
    drop(plan);
    bytes[0]
}
