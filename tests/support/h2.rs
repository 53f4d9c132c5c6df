//! HTTP/2, one request a connection.

use ::h2::client::SendRequest;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use tokio::io::{AsyncRead, AsyncWrite};

use super::message::{End, Fields, Request, Response};

/// Sends the request and reads the response, handing each piece of the body on as it comes.
pub async fn exchange<S>(stream: S, scheme: &str, request: &Request, each: &mut dyn FnMut(&[u8])) -> Response
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut response = Response { end: End::Cut, ..Response::default() };
    let mut builder = ::h2::client::Builder::new();
    // Windows wide enough that a long body is limited by the server, not by us.
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20).max_header_list_size(1 << 20);
    let Ok((sender, connection)) = builder.handshake::<_, Bytes>(stream).await else { return response };
    let connection = tokio::spawn(connection);
    // Whatever goes wrong is a response that was cut.
    let _cut = converse(sender, scheme, request, &mut response, each).await;
    connection.abort();
    response
}

async fn converse(
    sender: SendRequest<Bytes>,
    scheme: &str,
    request: &Request,
    response: &mut Response,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), ::h2::Error> {
    let mut sender = sender.ready().await?;
    let ends_at_once = request.body.is_none() && request.trailers.is_empty();
    let (answer, mut body) = sender.send_request(head(scheme, request), ends_at_once)?;
    // The server may refuse before it has read the body: a failure to send is not yet a failure.
    if let Some(bytes) = &request.body {
        body.reserve_capacity(bytes.len());
        let _refused = body.send_data(Bytes::copy_from_slice(bytes), request.trailers.is_empty());
    }
    if !request.trailers.is_empty() {
        let _refused = body.send_trailers(map(&request.trailers));
    }

    let answer = answer.await?;
    response.status = answer.status().as_u16();
    response.headers = fields(answer.headers());
    let mut body = answer.into_body();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        each(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    if let Some(trailers) = body.trailers().await? {
        response.trailers = fields(&trailers);
    }
    response.end = End::Whole;
    Ok(())
}

fn head(scheme: &str, request: &Request) -> http::Request<()> {
    let uri = Uri::builder().authority(request.host.as_str());
    let protocol = request.headers.iter().find(|(name, _)| name == PROTOCOL);
    // CONNECT has neither scheme nor path, unless it is an extended one (RFC 8441 section 4).
    let uri = if request.method == "CONNECT" && protocol.is_none() {
        uri
    } else {
        let path = PathAndQuery::try_from(request.path.as_str());
        uri.scheme(scheme).path_and_query(path.expect("HTTP/2 tests ask for paths that `http` can hold"))
    };
    let mut head = http::Request::new(());
    *head.method_mut() = request.method.parse().expect("a method");
    *head.uri_mut() = uri.build().expect("a URI");
    *head.headers_mut() = map(&request.headers.iter().filter(|(name, _)| name != PROTOCOL).cloned().collect());
    if let Some((_, value)) = protocol {
        head.extensions_mut().insert(::h2::ext::Protocol::from(&*String::from_utf8_lossy(value)));
    }
    head
}

/// Stands among a request's headers for the pseudo-header of this name.
const PROTOCOL: &str = ":protocol";

fn map(fields: &Fields) -> HeaderMap {
    let pair = |(name, value): &(String, Vec<u8>)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        (name, HeaderValue::from_bytes(value).expect("a header value"))
    };
    // `extend` appends, so that repeated fields stay repeated.
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(pair) {
        map.append(name, value);
    }
    map
}

fn fields(map: &HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
