// E0277
pub fn run(config: &tenon::BuilderConfig) -> tenon::Result<()> {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    config.set_progress(move |_: &str, _: f64| {
        count.set(count.get() + 1);
        Ok(())
    })
}
