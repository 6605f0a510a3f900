// E0502
pub fn run(context: &mut tenon::ExecutionContext, mut y: Vec<f32>) -> tenon::Result<f32> {
    let mut bound = context.bind();
    bound.output("y", &mut y)?;
    let first = y[0];
    bound.run()?;
    Ok(first)
}
