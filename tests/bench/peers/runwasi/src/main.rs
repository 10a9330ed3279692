//! runwasi's shim with wasmtime, as its own project puts it together: the engine's default settings, everything
//! granted ("/", the network, the streams), layers of an image compiled once, a module in a rootfs at every start.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, WasmLayer};
use containerd_shim_wasm::shim::{Cli, Compiler, Shim, Version, version};
use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// Of the process that compiles layers, which is the shim's own.
static COMPILING: LazyLock<Engine> = LazyLock::new(Engine::default);

struct Wasmtime;

impl Shim for Wasmtime {
    type Sandbox = Guest;

    fn name() -> &'static str {
        "runwasi"
    }

    fn version() -> Version {
        version!()
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(Layers)
    }
}

struct Layers;

impl Compiler for Layers {
    fn cache_key(&self) -> impl Hash {
        let mut hasher = DefaultHasher::new();
        COMPILING.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish().to_string()
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        let compile = |layer: &WasmLayer| Ok(Some(COMPILING.precompile_module(&layer.layer)?));
        layers.iter().map(compile).collect()
    }
}

/// Made in the container's process.
#[derive(Default)]
struct Guest {
    engine: Engine,
}

impl Guest {
    fn load(&self, ctx: &impl RuntimeContext) -> Result<Module> {
        let source = ctx.entrypoint().source;
        let bytes = source.as_bytes()?;
        Ok(if source.is_precompiled()? {
            // The library marks only what `Layers` made.
            unsafe { Module::deserialize(&self.engine, &bytes)? }
        } else {
            Module::from_binary(&self.engine, &bytes)?
        })
    }
}

fn granted(ctx: &impl RuntimeContext) -> Result<WasiP1Ctx> {
    let mut builder = WasiCtxBuilder::new();
    builder
        .args(ctx.args())
        .inherit_stdio()
        .inherit_network()
        .allow_ip_name_lookup(true)
        .preopened_dir("/", "/", FsPerms::ReadWrite)?;
    for variable in ctx.envs() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        builder.env(name, value);
    }
    Ok(builder.build_p1())
}

impl Sandbox for Guest {
    async fn run_wasi(&self, ctx: &impl RuntimeContext) -> Result<i32> {
        let module = self.load(ctx)?;
        let mut linker = Linker::new(&self.engine);
        p1::add_to_linker_async(&mut linker, |granted: &mut WasiP1Ctx| granted)?;
        let mut store = Store::new(&self.engine, granted(ctx)?);
        let instance = linker.instantiate_async(&mut store, &module).await?;
        let name = ctx.entrypoint().func;
        let start = instance
            .get_func(&mut store, &name)
            .with_context(|| format!("the module does not export {name}"))?;
        match start.call_async(&mut store, &[], &mut []).await {
            Ok(()) => Ok(0),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ok(exit.0),
                None => bail!("{error:?}"),
            },
        }
    }
}

fn main() {
    Wasmtime::run(None);
}
