from prometheus_client.parser import text_string_to_metric_families

from serving_client import instances, metric


def test_health_and_metrics(start, files):
    client = start()
    assert client.get("/healthz").body == b"ok\n"
    client.predict(instances(*files))
    client.post("/predict", b"text")
    assert metric(client, "kerastl_requests_total", route="predict", status="200") == 1
    assert metric(client, "kerastl_requests_total", route="predict_files", status="400") == 1
    assert metric(client, "kerastl_batch_images_sum") == 4
    assert metric(client, "kerastl_batch_images_count") == 2
    assert metric(client, "kerastl_bad_images_total") == 1
    assert metric(client, "kerastl_model_version") == 1
    assert metric(client, "process_resident_memory_bytes") > 1e8
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(page.body.decode())}
    assert {"kerastl_requests", "kerastl_request_seconds", "kerastl_queue_images"} <= names
