// compiles
pub fn run(context: &mut tenon::ExecutionContext, x: &tenon::Tensor<f32>, y: &mut [f32]) -> tenon::Result<()> {
    let mut bound = context.bind();
    bound.input("x", x)?.output("y", y)?;
    bound.run()
}
