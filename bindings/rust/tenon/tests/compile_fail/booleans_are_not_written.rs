// E0277
pub fn run(bound: &mut tenon::Bindings<'_, 'static>, y: &'static mut [bool]) -> tenon::Result<()> {
    bound.output("y", y)?;
    Ok(())
}
