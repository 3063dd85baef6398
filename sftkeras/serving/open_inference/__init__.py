"""The Open Inference Protocol (version 2) over REST, as KServe and Triton have it: tensors in and out, and generated
texts. Specification: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md and
generate_rest.yaml; github.com/triton-inference-server/server, docs/protocol."""
