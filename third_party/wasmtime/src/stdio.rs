//! Standard streams of a component by descriptor. The C API takes paths, or the process's own streams.

use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};
use wasmtime_c_api::wasi_config_t;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{InputFile, OutputFile};

// wasi_config_t is a repr(C) struct of one private field.
const _: () = assert!(size_of::<wasi_config_t>() == size_of::<WasiCtxBuilder>());

/// A descriptor of its own for the file behind the borrowed `fd`.
fn duplicate(fd: RawFd) -> Option<File> {
    let borrowed = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    borrowed.try_clone().ok()
}

/// Gives the guest the files behind three borrowed descriptors. 0, 1 and 2 are this process's own streams,
/// terminals included; a negative one is left as it is: end of file, or swallowed. False if one cannot
/// be duplicated.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_wasi_config_stdio(
    config: &mut wasi_config_t,
    stdin: RawFd,
    stdout: RawFd,
    stderr: RawFd,
) -> bool {
    let builder = unsafe { &mut *std::ptr::from_mut(config).cast::<WasiCtxBuilder>() };
    match stdin {
        fd if fd < 0 => {}
        0 => {
            builder.inherit_stdin();
        }
        fd => match duplicate(fd) {
            Some(file) => {
                builder.stdin(InputFile::new(file));
            }
            None => return false,
        },
    }
    match stdout {
        fd if fd < 0 => {}
        1 => {
            builder.inherit_stdout();
        }
        fd => match duplicate(fd) {
            Some(file) => {
                builder.stdout(OutputFile::new(file));
            }
            None => return false,
        },
    }
    match stderr {
        fd if fd < 0 => {}
        2 => {
            builder.inherit_stderr();
        }
        fd => match duplicate(fd) {
            Some(file) => {
                builder.stderr(OutputFile::new(file));
            }
            None => return false,
        },
    }
    true
}
