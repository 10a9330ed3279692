// The handlers that all peers have: / a line, /echo the body, /spin nothing for ever.
const TEXT = { headers: { "content-type": "text/plain" } };

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") return new Response(request.body, TEXT);
    if (pathname === "/spin") for (;;) {}
    return new Response("Hello from wasm!\n", TEXT);
  },
};
