// E0597
pub fn run(context: &mut tenon::ExecutionContext) -> tenon::Result<()> {
    let mut bound = context.bind();
    {
        let x = tenon::Tensor::new(&[1], vec![0f32])?;
        bound.input("x", &x)?;
    }
    bound.run()
}
