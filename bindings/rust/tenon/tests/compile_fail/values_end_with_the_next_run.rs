// E0502
pub fn run(bound: &mut tenon::Bindings<'_, '_>) -> tenon::Result<f32> {
    let y = bound.values::<f32>("y")?;
    bound.run()?;
    Ok(y[0])
}
