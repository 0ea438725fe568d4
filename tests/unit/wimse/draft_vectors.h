// The examples of draft-ietf-wimse-workload-creds, draft-ietf-wimse-wpt and
// draft-ietf-wimse-http-signature: folder `includes` and `examples/main.go` of their repository
// (ietf-wg-wimse/draft-ietf-wimse-s2s-protocol) at commit 40b1c416.
#pragma once

#include <string_view>

namespace mandated::wimse::vectors {

// wit.txt: issued 1745508910, expires 1745512510.
inline constexpr std::string_view kWit =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6Ikp1bmUgNSIsInR5cCI6IndpdCtqd3QifQ.eyJjbmYiOnsiandrIjp7ImFsZ"
    "yI6IkVkRFNBIiwiY3J2IjoiRWQyNTUxOSIsImt0eSI6Ik9LUCIsIngiOiIxQ1hYdmZsTl9MVlZzSXNZWHNVdkIwM"
    "0ptbEdXZUNIcVFWdW91Q0Y5MmJnIn19LCJleHAiOjE3NDU1MTI1MTAsImlhdCI6MTc0NTUwODkxMCwianRpIjoie"
    "C1fMUNUTDJjY2EzQ1NFNGN3Yl9sIiwic3ViIjoid2ltc2U6Ly9leGFtcGxlLmNvbS9zcGVjaWZpYy13b3JrbG9hZ"
    "CJ9.6KraSQUxWdl9dxFQ3Fj6dPY0Vi88OkwFwZpAIOhLeq6AbXAnLLQgOp8U9UDGcBuYF3KiNv6oKQD1ZWAzrMZO"
    "Jw";

// wpt.txt, over kWit and the bearer token kAccessToken: expires 1745510016.
inline constexpr std::string_view kWpt =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IndwdCtqd3QifQ.eyJhdGgiOiJDTDR3amZwUm1OZi1iZFlJYllMblY5ZDVyT"
    "UFSR3dLWUUxMHdVd3pDMGpJIiwiYXVkIjoiaHR0cHM6Ly93b3JrbG9hZC5leGFtcGxlLmNvbS9wYXRoIiwiZXhwI"
    "joxNzQ1NTEwMDE2LCJqdGkiOiJfX2J3YzRFU0MzYWNjMkxUQzEtX3giLCJ3dGgiOiJBYVlVZkMzNEQxZGkyRnhRT"
    "HBpSUpKN1NnOFZaNm84T0Nkd1NmOUlUb0xnIn0.PI7d9AcYhLoEgPgbJvcM132lkBKnM1NXU-5hZUzVTIyj2dRJa"
    "TLFs6e5NYv5gg6AqcV7NvkYCwfgMgWasWQzCA";

inline constexpr std::string_view kAccessToken = "16_mAd0GiwaZokU26_0902100";

// The Identity Server's key, and the workload's.
inline constexpr std::string_view kIssuerJwk =
    "{\"kty\":\"EC\",\"kid\":\"June "
    "5\",\"crv\":\"P-256\",\"x\":\"kXqnA2Op7hgd4zRMbw0iFcc_hDxUxhojxOFVGjE2gk"
    "s\",\"y\":\"n__VndPMR021-59UAs0b9qDTFT-EZtT6xSNs_xFskLo\"}";

inline constexpr std::string_view kWorkloadJwk =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"1CXXvflN_LVVsIsYXsUvB03JmlGWeCHqQVuouCF92bg\","
    "\"d\":\"sdLX"
    "8yCYKqo_XvGBLn-ZWeKT7llYeeQpgeCaXVxb5kY\"}";

// sigs-svca-jwk.txt and sigs-svcb-jwk.txt, public parts.
inline constexpr std::string_view kCallerJwk =
    "{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kid\":\"svc-a-key\",\"kty\":\"OKP\",\"x\":"
    "\"ZjlVT4COsCkQO9HIo6tDWA"
    "XayQ0MymoFUKJRIQ7S8R8\"}";

inline constexpr std::string_view kCalleeJwk =
    "{\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"kid\":\"svc-b-key\",\"kty\":\"OKP\",\"x\":"
    "\"lBtLS8cNt_7pWsdi2xgx76"
    "0lWpzEvqYe2DpSk9ELH2w\"}";

// sigs-request.txt: GET /gimme-ice-cream?flavor=vanilla at svcb.example.com, made 1785155797.
inline constexpr std::string_view kRequestSignature =
    "wimse=:zSK+kx5EnoZct9FZ6LMYzfx0mk32oI/hHpB7y4rgHxkRDcAA72yBW5xgzA03nKviXLjL7nphq840Uwznp"
    "6IKAw==:";

inline constexpr std::string_view kRequestInput =
    "wimse=(\"@method\" \"@request-target\" \"workload-identity-token\");created=1785155797;expires"
    "=1785156097;nonce=\"abcd1111\";tag=\"wimse-workload-to-workload\";wimse-aud=\"https://svcb.ex"
    "ample.com/gimme-ice-cream\";wimse-sign-response";

inline constexpr std::string_view kRequestWit =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Imlzc3Vlci1rZXkiLCJ0eXAiOiJ3aXQrand0In0.eyJjbmYiOnsiandrIjp7"
    "ImFsZyI6IkVkRFNBIiwiY3J2IjoiRWQyNTUxOSIsImtpZCI6InN2Yy1hLWtleSIsImt0eSI6Ik9LUCIsIngiOiJa"
    "amxWVDRDT3NDa1FPOUhJbzZ0RFdBWGF5UTBNeW1vRlVLSlJJUTdTOFI4In19LCJleHAiOjE3ODUxNTYwOTcsImlh"
    "dCI6MTc4NTE1NTc5NywiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbS9pc3N1ZXIiLCJqdGkiOiJ3aXQtMTc4NTE1"
    "NTc5NzIxNjU0NTcxOSIsInN1YiI6IndpbXNlOi8vZXhhbXBsZS5jb20vc3ZjQSJ9.BqJfcsbrYlS9GSQ7NpFBBVz"
    "4CeszShqleIyr2sSnd0Ic6l2HXX27giZcdAOGnXjtv_7h-9vV16GZbVcrQt6hCg";

// sigs-response.txt: 404 to it.
inline constexpr std::string_view kResponseSignature =
    "wimse=:57ZChndLoz5toS+/0RGeQJG53gLrZD/bBterOWnHF1vb0cdceeUOKH/t4A+/bvquC/0VCb5DYFRdFNz4C"
    "W8yBQ==:";

inline constexpr std::string_view kResponseInput =
    "wimse=(\"@status\" \"workload-identity-token\" \"content-type\" \"content-digest\" "
    "\"@method\";req"
    " \"@request-target\";req);created=1785155797;expires=1785156099;nonce=\"abcd2222\";tag=\"wims"
    "e-workload-to-workload\";wimse-req-nonce=\"abcd1111\"";

inline constexpr std::string_view kResponseWit =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Imlzc3Vlci1rZXkiLCJ0eXAiOiJ3aXQrand0In0.eyJjbmYiOnsiandrIjp7"
    "ImFsZyI6IkVkRFNBIiwiY3J2IjoiRWQyNTUxOSIsImtpZCI6InN2Yy1iLWtleSIsImt0eSI6Ik9LUCIsIngiOiJs"
    "QnRMUzhjTnRfN3BXc2RpMnhneDc2MGxXcHpFdnFZZTJEcFNrOUVMSDJ3In19LCJleHAiOjE3ODUxNTYwOTksImlh"
    "dCI6MTc4NTE1NTc5OSwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbS9pc3N1ZXIiLCJqdGkiOiJ3aXQtMTc4NTE1"
    "NTc5NzIxNjY3MDUxOCIsInN1YiI6IndpbXNlOi8vZXhhbXBsZS5jb20vc3ZjQiJ9.HIAU2288ryXoym1M9fnKZqd"
    "0p2Vl7spOh-FY2jCFY-05H74-WPUFWrg5lH5f2rHl47TfxEGri3fmMP4zhYzeAw";

inline constexpr std::string_view kResponseDigest =
    "sha-256=:UHKweBl9cpjdVqgTB65El8SexXlJYGG+XIslAYqC1mY=:";

inline constexpr std::string_view kResponseBody = "No ice cream today.\n\n";

}  // namespace mandated::wimse::vectors
