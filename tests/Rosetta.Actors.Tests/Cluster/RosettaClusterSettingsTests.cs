using Rosetta.Actors.Cluster;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster;

public sealed class RosettaClusterSettingsTests
{
    public static TheoryData<RosettaClusterSettings, string> Wrong => new()
    {
        { new RosettaClusterSettings { Hostname = "" }, "Rosetta:Cluster:Hostname" },
        { new RosettaClusterSettings { Hostname = "node:4053" }, "Rosetta:Cluster:Hostname" },
        { new RosettaClusterSettings { Hostname = "0.0.0.0" }, "BindHostname" },
        { new RosettaClusterSettings { Port = 65536 }, "Rosetta:Cluster:Port" },
        { new RosettaClusterSettings { Port = -1 }, "Rosetta:Cluster:Port" },
        { new RosettaClusterSettings { PublicPort = 0 }, "Rosetta:Cluster:PublicPort" },
        { new RosettaClusterSettings { SeedNodes = ["node"] }, "Rosetta:Cluster:SeedNodes" },
        { new RosettaClusterSettings { SeedNodes = ["node:0"] }, "Rosetta:Cluster:SeedNodes" },
        { new RosettaClusterSettings { SeedNodes = ["akka.tcp://rosetta@node:4053"] }, "Rosetta:Cluster:SeedNodes" },
    };

    [Fact]
    public void Should_have_defaults_that_work_on_one_machine() => new RosettaClusterSettings().Validate();

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Should_name_the_key_of_a_wrong_value(RosettaClusterSettings settings, string key) =>
        Assert.Contains(key, Assert.Throws<ArgumentException>(settings.Validate).Message, StringComparison.Ordinal);
}
