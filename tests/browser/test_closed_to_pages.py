"""A page of another site, in a real browser, against the local AWS of its reader."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1"

# What a page can try: with and without asking, by forms and by pictures, and what it learns.
ATTACK = """async (target) => {
  const seen = {};
  const attempt = async (name, path, options) => {
    try {
      const answer = await fetch(target + path, options);
      seen[name] = answer.type === 'opaque' ? 'opaque' : `${answer.status} ${await answer.text()}`;
    } catch (error) { seen[name] = 'refused'; }
  };
  const simple = {mode: 'no-cors', method: 'POST'};
  await attempt('wipe', '/_ministack/reset', simple);
  await attempt('list', '/', {});
  await attempt('read', '/bucket/secret', {});
  await attempt('health', '/_localaws/health', {});
  await attempt('put', '/bucket/planted', {method: 'PUT', body: 'x'});
  await attempt('put simple', '/bucket/planted', {...simple, body: 'x'});
  await attempt('bucket', '/planted-bucket', {method: 'PUT'});
  await attempt('job', '/', {method: 'POST', body: '{}',
    headers: {'X-Amz-Target': 'AWSGlue.ListJobs'}});
  await attempt('lambda', '/2015-03-31/functions', {...simple, body: '{}'});
  await attempt('signed', '/', {headers: {Authorization:
    'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, Signature=x'}});
  await new Promise((done) => {
    const image = new Image();
    image.onload = () => { seen.image = 'shown'; done(); };
    image.onerror = () => { seen.image = 'refused'; done(); };
    image.src = target + '/bucket/pixel.gif';
  });
  return seen;
}"""
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):  # noqa: A002  (the name of the base class)
        pass


@pytest.fixture(scope="module")
def page_address(tmp_path_factory):
    """The address of an empty page, on another port of this machine."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<title>a site</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def lake(aws_client):
    """A bucket with something in it that is no page's."""
    s3 = aws_client("s3")
    if "bucket" not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="secret", Body=b"the secret")
    s3.put_object(Bucket="bucket", Key="pixel.gif", Body=PIXEL, ContentType="image/gif")
    return s3


@pytest.mark.parametrize("site", ["http://localhost", "http://evil.example"])
def test_a_page_reads_nothing_and_does_nothing(
    launch_browser, page_address, localaws_server, lake, site
):
    """Neither one of this machine, such as JupyterLab's, nor one of the internet."""
    browser = launch_browser(REBOUND)
    page = browser.new_page()
    page.goto(f"{site}:{page_address.rpartition(':')[2]}/")

    seen = page.evaluate(ATTACK, localaws_server.endpoint_url)

    # An opaque answer is one that the page cannot look at; what it asked for was not done.
    assert set(seen.values()) <= {"refused", "opaque"}, seen
    assert seen["image"] == "refused"
    keys = [one["Key"] for one in lake.list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == ["pixel.gif", "secret"]
    assert "planted-bucket" not in [one["Name"] for one in lake.list_buckets()["Buckets"]]


def test_a_page_that_points_its_own_name_here_is_refused(launch_browser, localaws_server, lake):
    """DNS rebinding: to the browser, page and server are one site, and no `Origin` is sent."""
    page = launch_browser(REBOUND).new_page()
    port = localaws_server.info.port

    answer = page.goto(f"http://evil.example:{port}/bucket/secret")

    assert answer.status == 403
    assert "the secret" not in page.content()
    assert page.goto(f"http://evil.example:{port}/_localaws/health").status == 403
