//! Lives in Rust, as tests/soak/run.py describes them.
use std::fs::File;
use tenon::*;

fn life(model: &str) -> Result<Engine> {
    let builder = Builder::new()?;
    let network = builder.network_from_file(model)?;
    let profile = OptimizationProfile::new()?;
    profile.set_shapes("x", &[1, 4], &[2, 4], &[8, 4])?;
    let config = BuilderConfig::new()?;
    config.set_thread_count(1)?;
    config.set_option("timer", "fake")?;
    config.add_profile(&profile)?;
    let engine = Engine::new(&Runtime::new()?, &builder.build(&network, &config)?)?;
    assert!(engine.find_tensor("none").is_err());
    let mut context = ExecutionContext::new(&engine, 0)?;
    let layers = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let heard = layers.clone();
    context.set_profiler(move |_: &LayerTime<'_>| {
        heard.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    })?;
    let x = Tensor::new(&[1, 4], vec![1.0f32; 4])?;
    assert_eq!(context.run(&[("x", &x)])?.get::<f32>("y")?.data(), [12.0, 24.0, 38.0]);
    let (_, outputs) = context.enqueue(vec![("x".into(), DynTensor::copy_of(&x)?)]).wait();
    outputs?;
    assert!(layers.load(std::sync::atomic::Ordering::SeqCst) > 0);
    Ok(engine)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [cycles, warm_up] = [2, 3].map(|index: usize| arguments[index].parse::<usize>().unwrap());
    let mut leaked = Vec::new();
    for cycle in 1..=cycles {
        let engine = life(&arguments[1])?;
        if arguments.len() > 4 {
            leaked.push((engine, File::open("/dev/null").unwrap()));
        }
        if cycle == warm_up || cycle == cycles {
            println!("{} objects", live_count("all")?);
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
    }
    Ok(())
}
