//! WASI 0.2 of guests that share a process, each on a thread in a jail of its own: what a descriptor, a path or a
//! right means there is that thread's alone. So all that touches the kernel happens on the thread of the guest.
//! The engine's own WASI gives some of it to other threads, or keeps a descriptor for everybody: those functions are
//! replaced here. What a guest can make the process remember is bounded, since its own limit of memory does not.

use bytes::{Bytes, BytesMut};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime::component::{Linker, Resource, ResourceTable, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_c_api::wasi_config_t;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorType, DirectoryEntry, ErrorCode, NewTimestamp, PathFlags,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi::{WasiCtxBuilder, WasiView};

const MOST_AT_ONCE: usize = 64 << 10;
/// Of one call; more traps. Each is made in the process's memory first.
const MOST_RANDOM: u64 = 1 << 20;
/// How often a standard input that is silent is looked at by a guest that waits for other things, too.
const LOOK: Duration = Duration::from_millis(20);

type Answer<T> = std::result::Result<T, ErrorCode>;

/// A file's bytes, from a position on or from wherever it is. A call that waits returns when a signal comes, which is
/// sent to guests that are to end.
struct Source {
    file: Arc<File>,
    position: Option<u64>,
}

impl Source {
    fn is_silent(&self) -> bool {
        let mut of = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        unsafe { libc::poll(&mut of, 1, 0) == 0 }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Source {
    async fn ready(&mut self) {
        while self.position.is_none() && self.is_silent() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Source {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut part = BytesMut::zeroed(size.min(MOST_AT_ONCE));
        let read = match self.position {
            None => (&*self.file).read(&mut part),
            Some(position) => self.file.read_at(&mut part, position),
        };
        let count = read.map_err(failed)?;
        if count == 0 {
            return Err(StreamError::Closed);
        }
        self.position = self.position.map(|position| position + count as u64);
        part.truncate(count);
        Ok(part.freeze())
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.read(size)
    }
}

enum Place {
    Here,
    At(u64),
    End,
}

struct Sink {
    file: Arc<File>,
    place: Place,
}

impl Sink {
    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Here => (&*self.file).write(bytes),
            Place::At(position) => {
                let count = self.file.write_at(bytes, *position)?;
                *position += count as u64;
                Ok(count)
            }
            Place::End => append(&self.file, bytes),
        }
    }
}

fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    let part = libc::iovec {
        iov_base: bytes.as_ptr() as *mut _,
        iov_len: bytes.len(),
    };
    let count = unsafe { libc::pwritev2(file.as_raw_fd(), &part, 1, 0, libc::RWF_APPEND) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn failed(error: io::Error) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}

#[wasmtime_wasi::async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match self.put(rest).map_err(failed)? {
                0 => return Err(failed(io::ErrorKind::WriteZero.into())),
                count => rest = &rest[count..],
            }
        }
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MOST_AT_ONCE)
    }
}

/// One of a guest's standard streams.
struct Standard(Arc<File>);

impl Standard {
    /// With a descriptor of its own for the file behind the borrowed `fd`.
    fn new(fd: RawFd) -> Option<Standard> {
        let borrowed = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
        borrowed.try_clone().ok().map(|file| Standard(Arc::new(file)))
    }
}

impl IsTerminal for Standard {
    fn is_terminal(&self) -> bool {
        std::io::IsTerminal::is_terminal(&*self.0)
    }
}

// What WASI 0.3 would take: it is not served.
impl StdinStream for Standard {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Source {
            file: self.0.clone(),
            position: None,
        })
    }
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

impl StdoutStream for Standard {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Sink {
            file: self.0.clone(),
            place: Place::Here,
        })
    }
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

/// Has a guest do its files' work itself, and gives it the files behind three borrowed descriptors as its standard
/// streams; where one is negative, end of file, or swallowed. Before directories are granted. False if one cannot
/// be duplicated.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_wasi_config_on_thread(
    config: &mut wasi_config_t,
    stdin: RawFd,
    stdout: RawFd,
    stderr: RawFd,
) -> bool {
    // A repr(C) struct of one private field (stdio.rs).
    let builder = unsafe { &mut *std::ptr::from_mut(config).cast::<WasiCtxBuilder>() };
    builder.allow_blocking_current_thread(true);
    builder.max_random_size(MOST_RANDOM);
    if stdin >= 0 {
        let Some(stream) = Standard::new(stdin) else {
            return false;
        };
        builder.stdin(stream);
    }
    if stdout >= 0 {
        let Some(stream) = Standard::new(stdout) else {
            return false;
        };
        builder.stdout(stream);
    }
    if stderr >= 0 {
        let Some(stream) = Standard::new(stderr) else {
            return false;
        };
        builder.stderr(stream);
    }
    true
}

/// A directory that is being listed: read as the guest reads, so that a large one is nobody's memory. Not by the C
/// library, whose call asks the kernel for more than a guest's filter lets it.
struct Listing {
    directory: File,
    entries: Box<[u8; LISTED_AT_ONCE]>,
    begin: usize,
    end: usize,
}

const LISTED_AT_ONCE: usize = 4 << 10;

impl Listing {
    fn open(directory: &File) -> io::Result<Listing> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        Ok(Listing {
            directory: open_beneath(directory, c".", flags)?,
            entries: Box::new([0; LISTED_AT_ONCE]),
            begin: 0,
            end: 0,
        })
    }

    /// The name and the type of the next entry.
    fn next(&mut self) -> io::Result<Option<(CString, u8)>> {
        loop {
            if self.begin == self.end && !self.fill()? {
                return Ok(None);
            }
            // getdents(2), struct linux_dirent64: an inode, an offset, the entry's length, its type, its name.
            const LENGTH: usize = 16;
            const TYPE: usize = 18;
            const NAME: usize = 19;
            let entry = &self.entries[self.begin..self.end];
            let length = usize::from(u16::from_ne_bytes([entry[LENGTH], entry[LENGTH + 1]]));
            self.begin += length;
            let kind = entry[TYPE];
            let name = CStr::from_bytes_until_nul(&entry[NAME..length]);
            let name = name.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if name != c"." && name != c".." {
                return Ok(Some((name.to_owned(), kind)));
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let read = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                self.directory.as_raw_fd(),
                self.entries.as_mut_ptr(),
                LISTED_AT_ONCE,
            )
        };
        self.begin = 0;
        self.end = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
        Ok(self.end > 0)
    }

    /// Where the file system does not say it in the entry.
    fn look(&self, name: &CStr) -> u8 {
        let mut status = std::mem::MaybeUninit::<libc::stat64>::zeroed();
        let found = unsafe {
            libc::fstatat64(
                self.directory.as_raw_fd(),
                name.as_ptr(),
                status.as_mut_ptr(),
                libc::AT_SYMLINK_NOFOLLOW,
            )
        };
        let mode = unsafe { status.assume_init() }.st_mode;
        // dirent.h, DTTOIF: a type is the mode's upper bits.
        if found == 0 { ((mode & libc::S_IFMT) >> 12) as u8 } else { libc::DT_UNKNOWN }
    }
}

fn type_of(kind: u8) -> DescriptorType {
    match kind {
        libc::DT_DIR => DescriptorType::Directory,
        libc::DT_REG => DescriptorType::RegularFile,
        libc::DT_LNK => DescriptorType::SymbolicLink,
        libc::DT_CHR => DescriptorType::CharacterDevice,
        libc::DT_BLK => DescriptorType::BlockDevice,
        libc::DT_FIFO => DescriptorType::Fifo,
        libc::DT_SOCK => DescriptorType::Socket,
        _ => DescriptorType::Unknown,
    }
}

/// The kernel sees to it that a path stays beneath the directory (openat2(2)).
fn open_beneath(directory: &File, path: &CStr, flags: i32) -> io::Result<File> {
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = flags as u64;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    let opened = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            &how,
            size_of::<libc::open_how>(),
        )
    };
    match RawFd::try_from(opened) {
        Ok(fd) if fd >= 0 => Ok(unsafe { File::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn code(error: io::Error) -> ErrorCode {
    // What the engine's WASI says of a path that leads out of its directory.
    if error.raw_os_error() == Some(libc::EXDEV) {
        return ErrorCode::NotPermitted;
    }
    ErrorCode::from(error)
}

fn read_via_stream(
    table: &mut ResourceTable,
    descriptor: Resource<Descriptor>,
    offset: u64,
) -> Result<Answer<Resource<DynInputStream>>> {
    let file = match table.get(&descriptor)? {
        Descriptor::File(file) => file.file.clone(),
        Descriptor::Dir(_) => return Ok(Err(ErrorCode::IsDirectory)),
    };
    let stream: DynInputStream = Box::new(Source {
        file,
        position: Some(offset),
    });
    Ok(Ok(table.push(stream)?))
}

fn write_via_stream(
    table: &mut ResourceTable,
    descriptor: Resource<Descriptor>,
    place: Place,
) -> Result<Answer<Resource<DynOutputStream>>> {
    let file = match table.get(&descriptor)? {
        Descriptor::File(file) if file.perms.write_not_permitted() => {
            return Ok(Err(ErrorCode::NotPermitted));
        }
        Descriptor::File(file) => file.file.clone(),
        Descriptor::Dir(_) => return Ok(Err(ErrorCode::BadDescriptor)),
    };
    let stream: DynOutputStream = Box::new(Sink { file, place });
    Ok(Ok(table.push(stream)?))
}

fn read_directory(
    table: &mut ResourceTable,
    descriptor: Resource<Descriptor>,
) -> Result<Answer<Resource<Listing>>> {
    let listing = match table.get(&descriptor)? {
        Descriptor::Dir(directory) => Listing::open(&directory.dir),
        Descriptor::File(_) => return Ok(Err(ErrorCode::NotDirectory)),
    };
    match listing {
        Ok(listing) => Ok(Ok(table.push(listing)?)),
        Err(error) => Ok(Err(code(error))),
    }
}

fn read_directory_entry(
    table: &mut ResourceTable,
    listing: Resource<Listing>,
) -> Result<Answer<Option<DirectoryEntry>>> {
    let listing = table.get_mut(&listing)?;
    let (name, mut kind) = match listing.next() {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(code(error))),
    };
    if kind == libc::DT_UNKNOWN {
        kind = listing.look(&name);
    }
    Ok(match name.into_string() {
        Ok(name) => Ok(Some(DirectoryEntry {
            type_: type_of(kind),
            name,
        })),
        Err(_) => Err(ErrorCode::IllegalByteSequence),
    })
}

fn time_of(time: NewTimestamp) -> libc::timespec {
    let (seconds, nanoseconds) = match time {
        NewTimestamp::NoChange => (0, libc::UTIME_OMIT),
        NewTimestamp::Now => (0, libc::UTIME_NOW),
        NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        }) => (seconds as i64, i64::from(nanoseconds)),
    };
    libc::timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
}

/// By the file itself and not by way of /proc, of which the engine's WASI keeps a descriptor.
fn set_times_at(
    table: &mut ResourceTable,
    (descriptor, flags, path, accessed, modified): (
        Resource<Descriptor>,
        PathFlags,
        String,
        NewTimestamp,
        NewTimestamp,
    ),
) -> Result<Answer<()>> {
    let directory = match table.get(&descriptor)? {
        Descriptor::Dir(one) if one.perms.write_not_permitted() => {
            return Ok(Err(ErrorCode::NotPermitted));
        }
        Descriptor::Dir(one) => one.dir.clone(),
        Descriptor::File(_) => return Ok(Err(ErrorCode::NotDirectory)),
    };
    let Ok(path) = CString::new(path) else {
        return Ok(Err(ErrorCode::IllegalByteSequence));
    };
    let nofollow = if flags.contains(PathFlags::SYMLINK_FOLLOW) { 0 } else { libc::O_NOFOLLOW };
    let times = [time_of(accessed), time_of(modified)];
    let change = |file: File| {
        let fd = file.as_raw_fd();
        match unsafe { libc::utimensat(fd, c"".as_ptr(), times.as_ptr(), libc::AT_EMPTY_PATH) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    let opened = open_beneath(&directory, &path, libc::O_PATH | libc::O_CLOEXEC | nofollow);
    Ok(opened.and_then(change).map_err(code))
}

/// The engine's interface, whose functions are replaced; later versions of 0.2 provide the earlier ones.
const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// WASI 0.2 for calls that are driven (drive.rs).
pub(crate) fn add_to_linker<T: WasiView + 'static>(linker: &mut Linker<T>) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    replace_files(linker)
}

/// Those of its functions that would work elsewhere.
pub(crate) fn replace_files<T: WasiView + 'static>(linker: &mut Linker<T>) -> Result<()> {
    type Store<'a, T> = StoreContextMut<'a, T>;
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: Store<'_, T>, (descriptor, offset): (Resource<Descriptor>, u64)| {
            let table = store.data_mut().ctx().table;
            Ok((read_via_stream(table, descriptor, offset)?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: Store<'_, T>, (descriptor, offset): (Resource<Descriptor>, u64)| {
            let table = store.data_mut().ctx().table;
            Ok((write_via_stream(table, descriptor, Place::At(offset))?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: Store<'_, T>, (descriptor,): (Resource<Descriptor>,)| {
            let table = store.data_mut().ctx().table;
            Ok((write_via_stream(table, descriptor, Place::End)?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.set-times-at",
        |mut store: Store<'_, T>, arguments| {
            Ok((set_times_at(store.data_mut().ctx().table, arguments)?,))
        },
    )?;
    types.resource(
        "directory-entry-stream",
        ResourceType::host::<Listing>(),
        |mut store, number| {
            let listing = Resource::<Listing>::new_own(number);
            store.data_mut().ctx().table.delete(listing)?;
            Ok(())
        },
    )?;
    types.func_wrap(
        "[method]descriptor.read-directory",
        |mut store: Store<'_, T>, (descriptor,): (Resource<Descriptor>,)| {
            Ok((read_directory(store.data_mut().ctx().table, descriptor)?,))
        },
    )?;
    types.func_wrap(
        "[method]directory-entry-stream.read-directory-entry",
        |mut store: Store<'_, T>, (listing,): (Resource<Listing>,)| {
            Ok((read_directory_entry(store.data_mut().ctx().table, listing)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
