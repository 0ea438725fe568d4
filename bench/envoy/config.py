"""Envoy as a router that checks nothing: mTLS in, mTLS out, every POST passed on. The same certificates,
TLS version and HTTP versions as mandated in the same run, no access log, no statistics sink."""


def validation(folder, spiffe_id):
    return {
        "trusted_ca": {"filename": f"{folder}/bundle.pem"},
        "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": spiffe_id}}],
    }


def common_tls(folder, peer, alpn):
    return {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{
            "certificate_chain": {"filename": f"{folder}/svid.pem"},
            "private_key": {"filename": f"{folder}/key.pem"},
        }],
        "validation_context": validation(folder, peer),
        "alpn_protocols": alpn,
    }


def transport_socket(side, context):
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
    return {"name": "tls", "typed_config": {"@type": f"{kind}.{side}TlsContext", **context}}


def http_options(version):
    explicit = {"http2_protocol_options": {}} if version == "2" else {"http_protocol_options": {}}
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": explicit}}


def envoy_config(svid_folder, listen_port, upstream_port, admin_port, client_id, upstream_id, version):
    """`version`: "1.1" or "2", on both sides."""
    alpn = ["h2"] if version == "2" else ["http/1.1"]
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "AUTO",
        "generate_request_id": False,
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "30s"}}]}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    }
    listener = {
        "name": "in",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": listen_port}},
        "filter_chains": [{
            "filters": [{"name": "http", "typed_config": manager}],
            "transport_socket": transport_socket("Downstream", {
                "common_tls_context": common_tls(svid_folder, client_id, alpn),
                "require_client_certificate": True}),
        }],
    }
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "typed_extension_protocol_options": http_options(version),
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{
            "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream_port}}}}]}]},
        "transport_socket": transport_socket("Upstream", {
            "common_tls_context": common_tls(svid_folder, upstream_id, alpn)}),
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }
