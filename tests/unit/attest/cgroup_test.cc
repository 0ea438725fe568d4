#include "proxy/attest/cgroup.h"

#include <gtest/gtest.h>

#include <ostream>

namespace mandated::attest {
namespace {

const std::string kId = "4e5021d210f65ebe915670c7089120120bc0a303b90208592851708c1b8c04bd";
const std::string kOther = "95bd9e7c1bb3b0b9b9e0a6d7f1d6bb6c3f4c6f3d7c0a3f2e1d0c9b8a79685746";
const std::string kPod = "2c48913c-b29f-11e7-9350-020968147796";
const std::string kPodSystemd = "2c48913c_b29f_11e7_9350_020968147796";
const std::string kStatic = "5ba5aee1c9e3b0f9bd5d1c4d4f5e6a7b";

struct Case {
  std::string name;
  std::string text;
  std::string container;
  std::string pod;
  bool docker = false;
};

TEST(ParseCgroup, ContainersAndPods) {
  const std::string slices =
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kPodSystemd + ".slice/";
  const Case cases[] = {
      {"no container", "0::/user.slice/user-1000.slice/session-2.scope\n", "", ""},
      {"root", "0::/\n", "", ""},
      {"a service", "0::/system.slice/agent.service\n", "", ""},
      {"Docker, systemd", "0::/system.slice/docker-" + kId + ".scope\n", kId, "", true},
      {"Docker, cgroupfs", "0::/docker/" + kId + "\n", kId, "", true},
      {"Docker, version 1", "5:memory:/docker/" + kId + "\n4:cpu,cpuacct:/docker/" + kId + "\n",
       kId, "", true},
      {"Docker, version 1 and 2", "1:name=systemd:/docker/" + kId + "\n0::/\n", kId, "", true},
      {"Podman", "0::/machine.slice/libpod-" + kId + ".scope\n", kId, ""},
      {"Podman, its own child", "0::/machine.slice/libpod-" + kId + ".scope/container\n", kId, ""},
      {"containerd", "0::" + slices + "cri-containerd-" + kId + ".scope\n", kId, kPod},
      {"CRI-O", "0::" + slices + "crio-" + kId + ".scope\n", kId, kPod},
      {"Docker under the kubelet", "0::" + slices + "docker-" + kId + ".scope\n", kId, kPod, true},
      {"guaranteed",
       "0::/kubepods.slice/kubepods-pod" + kPodSystemd + ".slice/crio-" + kId + ".scope\n", kId,
       kPod},
      {"kubelet, cgroupfs", "0::/kubepods/burstable/pod" + kPod + "/" + kId + "\n", kId, kPod},
      {"guaranteed, cgroupfs", "0::/kubepods/pod" + kPod + "/" + kId + "\n", kId, kPod},
      {"static pod", "0::/kubepods/besteffort/pod" + kStatic + "/" + kId + "\n", kId, kStatic},
      {"kind",
       "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
       "kubelet-kubepods-besteffort-pod" +
           kPodSystemd + ".slice/cri-containerd-" + kId + ".scope\n",
       kId, kPod},
      {"below the container", "0::/kubepods/pod" + kPod + "/" + kId + "/init\n", kId, kPod},
      {"a container in a container", "0::/docker/" + kId + "/docker/" + kOther + "\n", kId, "",
       true},
      {"a kubelet in a container",
       "0::/docker/" + kId + "/kubepods/pod" + kPod + "/" + kOther + "\n", kId, "", true},
      {"our own cgroup namespace", "0::/../cri-containerd-" + kId + ".scope\n", kId, ""},
      {"further up", "0::/../../../" + kId + "\n", kId, ""},
      // What a user can make below what he was given, or name as he likes, is no container.
      {"forged below a user",
       "0::/user.slice/user-1000.slice/user@1000.service/docker/" + kId + "\n", "", ""},
      {"forged scope", "0::/user.slice/docker-" + kId + ".scope\n", "", ""},
      {"forged kubepods", "0::/user.slice/user@1000.service/kubepods/pod" + kPod + "/" + kId + "\n",
       "", ""},
      {"forged in our namespace", "0::/../user.slice/" + kId + "\n", "", ""},
      {"below ourselves", "0::/" + kId + "\n", "", ""},
      {"short id", "0::/docker/4e5021d210f6\n", "", ""},
      {"upper case",
       "0::/docker/4E5021D210F65EBE915670C7089120120BC0A303B90208592851708C1B8C04BD\n", "", ""},
      {"bad pod", "0::/kubepods/pod../" + kId + "\n", "", ""},
      {"pod with shifted dashes",
       "0::/kubepods/pod2c48913cb-29f-11e7-9350-020968147796/" + kId + "\n", "", ""},
      {"no container below the pod", "0::/kubepods/pod" + kPod + "\n", "", ""},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    const std::optional<Cgroup> parsed = parse_cgroup(each.text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->container, each.container);
    EXPECT_EQ(parsed->pod, each.pod);
    EXPECT_EQ(parsed->docker, each.docker);
  }
}

TEST(ParseCgroup, PathOfTheUnifiedHierarchy) {
  EXPECT_EQ(parse_cgroup("1:name=systemd:/a\n0::/b:/c\n")->path, "/b:/c");
  EXPECT_EQ(parse_cgroup("4:memory:/a\n")->path, "");
}

TEST(ParseCgroup, ContradictionsAndGarbageAreNothing) {
  std::string many;
  for (int line = 0; line < 65; ++line) many += std::to_string(line) + ":c:/\n";
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("0:/"), std::string("0::"),
        std::string("x::/\n"), std::string("::/\n"), std::string("0::/\n\n0::/\n"), many,
        "2:cpu:/docker/" + kId + "\n1:memory:/docker/" + kOther + "\n",
        "2:cpu:/kubepods/pod" + kPod + "/" + kId + "\n1:memory:/kubepods/pod" + kStatic + "/" +
            kId + "\n"}) {
    EXPECT_FALSE(parse_cgroup(text)) << text;
  }
}

}  // namespace
}  // namespace mandated::attest
