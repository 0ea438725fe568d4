// Data of W3C Web Authentication Level 3, section "Test Vectors" (github.com/w3c/webauthn, index.bs
// at 146d0db0; W3C Document License): the authentication ceremonies of its P-256 and Ed25519
// credentials, by the anchor of each in that section. Binary values are hex there and here.
#pragma once

#include <array>
#include <string_view>

namespace mandated::receipt::vectors {

struct Vector {
  std::string_view name;
  std::string_view x;  ///< of the registered key, as its attestation holds it
  std::string_view y;  ///< empty: Ed25519
  std::string_view challenge;
  std::string_view authenticator_data;
  std::string_view client_data;  ///< text
  std::string_view signature;
};

constexpr std::array kAssertions{
    Vector{.name = "none-es256",
           .x = "afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61",
           .y = "930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
           .challenge = "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"OcDnUhQXulTUPo3JUXT0I97pvzzYBP9tZchXyav01Ag")"
               R"(,"origin":"https://example.org","crossOrigin":false})",
           .signature =
               "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38022100"
               "8480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87"},
    Vector{.name = "packed-self-es256",
           .x = "eb151c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5",
           .y = "927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee484f2",
           .challenge = "4478a10b1352348dd160c1353b0d469b5db19eb91c27f7dfa6fed39fe26af20b",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50900000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"RHihCxNSNI3RYME1Ow1Gm12xnrkcJ_ffpv7Tn-Jq8gs")"
               R"(,"origin":"https://example.org","crossOrigin":false,"extraData":"clientDataJSON )"
               R"(may be extended with additional fields in the future, such as this: gTb53rz6EhSW)"
               R"(omXGzimC1Q"})",
           .signature =
               "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf84002204e94"
               "dd00047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66"},
    Vector{.name = "none-es256-crossOrigin",
           .x = "22200a473f90b11078851550d03b4e44a2279f8c4eca27b3153dedfe03e4e97d",
           .y = "cbd0be95e746ad6f5a8191be11756e4c0420e72f65b466d39bc56b8b123a9c6e",
           .challenge = "876aa517ba83fdee65fcffdbca4c84eeae5d54f8041a1fc85c991e5bbb273137",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"h2qlF7qD_e5l_P_bykyE7q5dVPgEGh_IXJkeW7snMTc")"
               R"(,"origin":"https://example.org","crossOrigin":true,"extraData":"clientDataJSON m)"
               R"(ay be extended with additional fields in the future, such as this: 92pcTVD0Aby-q)"
               R"(4dtmj6efg"})",
           .signature =
               "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1841c951b6e40e7022100"
               "c76237ff9db77b3c56f30837cda6a09acfa2e915544e609c0733b1184036d1cf"},
    Vector{.name = "none-es256-topOrigin",
           .x = "a1c47c1d82da4ebe82cd72207102b380670701993bc35398ae2e5726427fe01d",
           .y = "86c1080d82987028c7f54ecb1b01185de243b359294a0ed210cd47480f0adc88",
           .challenge = "d54a5c8ca4b62a8e3bb321e3b2bc73856f85a10150db2939ac195739eb1ea066",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"1UpcjKS2Ko47syHjsrxzhW-FoQFQ2yk5rBlXOeseoGY")"
               R"(,"origin":"https://example.org","crossOrigin":true,"topOrigin":"https://example.)"
               R"(com","extraData":"clientDataJSON may be extended with additional fields in the f)"
               R"(uture, such as this: UiFoJMVRQHDAFWFi4vxUpQ"})",
           .signature =
               "3045022100b5a70c81780d5fcc9a4f2ae9caae99058f8accaf58b91fb59329646c28ac6ffc022012"
               "e101c165db3c8e9957f0c54dd6ca9b56bc3bd2f280bd2faa6c1d02c6e5c171"},
    Vector{.name = "none-es256-long-credential-id",
           .x = "3b8176b7504489cc593046d7988abb7905a742de6ac2cdc748a873c663e90cb1",
           .y = "1436d5edc9a75f23999eef9d5950a5c2455514ee1014084720f841a06b828a11",
           .challenge = "ef1deba56dce48f674a447ccf63b9599258ce87648e5c396f2ef0ca1da460e3b",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"7x3rpW3OSPZ0pEfM9juVmSWM6HZI5cOW8u8ModpGDjs")"
               R"(,"origin":"https://example.org","crossOrigin":false})",
           .signature =
               "304502203ecef83fb12a0cae7841055f9f87103a99fd14b424194bbf06c4623d3ee6e3fd022100d2"
               "ace346db262b1374a6b70faa51f518a42ddca13a4125ce6f5052a75bac9fb6"},
    Vector{.name = "packed-es256",
           .x = "1cf27f25da591208a4239c2e324f104f585525479a29edeedd830f48e77aeae5",
           .y = "59e4b7da6c0106e206ce390c93ab98a15a5ec3887e57f0cc2bece803b920c423",
           .challenge = "b1106fa46a57bef1781511c0557dc898a03413d5f0f17d244630c194c7e1adb5",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"sRBvpGpXvvF4FRHAVX3ImKA0E9Xw8X0kRjDBlMfhrbU")"
               R"(,"origin":"https://example.org","crossOrigin":false,"extraData":"clientDataJSON )"
               R"(may be extended with additional fields in the future, such as this: AZMwyMxIbD8-)"
               R"(uguFNp6r8Q"})",
           .signature =
               "30450220694969d3ee928de6f02ef23a9c644d7d779916451734a94b432542f498a1ebe90221008b"
               "0819c824218a97152cd099c55bfb1477b29d900a49a64018314f9bfccda163"},
    Vector{.name = "packed-eddsa",
           .x = "44e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
           .y = "",
           .challenge = "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50100000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"iVlX4BxjOmmDSKLYoxpUt9sn6MHEOyCA15riGQJnv9I")"
               R"(,"origin":"https://example.org","crossOrigin":false})",
           .signature =
               "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cfdfc48f85393bc0d4"
               "0b011f0d6fecb097d6607525713223a0dc0d453993dae00b"},
    Vector{.name = "tpm-es256",
           .x = "41202698c9d9753fb4bb3f27cd09fe6b8afdb76438ee2ae54d7c9dade10d864b",
           .y = "d8735115cdb330a63ea1d6e43d5000f4bd56f99bce83ee1d73301fc270116d07",
           .challenge = "00093b66c21d5b5e89f7a07082118907ea3e502d343b314b8c5a54d62db202fb",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"AAk7ZsIdW16J96BwghGJB-o-UC00OzFLjFpU1i2yAvs")"
               R"(,"origin":"https://example.org","crossOrigin":false})",
           .signature =
               "3045022060dc76b1607ec716c6e5eba8d056695ed6bc47b2e3d7a729c34e759e3ab66aa0022100d0"
               "10a9e8fddcb64c439dfdca628ddb33cf245d567d157d9f66f942601bed9b38"},
    Vector{.name = "fido-u2f-es256",
           .x = "b0d62de6b30f86f0bac7a9016951391c2e31849e2e64661cbd2b13cd7d5508ad",
           .y = "503b0bda2a357a9a4b34475a28e65b660b4898a9e3e9bbf0820d43494297edd0",
           .challenge = "f90c612981d84f599438de1a500f76926e92cc84bef8e02c6e23553f00485435",
           .authenticator_data =
               "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50100000000",
           .client_data =
               R"({"type":"webauthn.get","challenge":"-QxhKYHYT1mUON4aUA92km6SzIS--OAsbiNVPwBIVDU")"
               R"(,"origin":"https://example.org","crossOrigin":false})",
           .signature =
               "304402206172459958fea907b7292b92f555034bfd884895f287a76200c1ba287239137002204727"
               "b166147e26a21bbc2921d192ebfed569b79438538e5c128b5e28e6926dd7"},
};

}  // namespace mandated::receipt::vectors
