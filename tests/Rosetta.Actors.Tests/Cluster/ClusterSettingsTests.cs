using Rosetta.Actors.Cluster;
using Xunit;

namespace Rosetta.Actors.Tests.Cluster;

public sealed class ClusterSettingsTests
{
    public static TheoryData<ClusterSettings, string> Wrong => new()
    {
        { new ClusterSettings { Hostname = "" }, "Rosetta:Cluster:Hostname" },
        { new ClusterSettings { Hostname = "node:4053" }, "Rosetta:Cluster:Hostname" },
        { new ClusterSettings { Hostname = "0.0.0.0" }, "BindHostname" },
        { new ClusterSettings { Port = 65536 }, "Rosetta:Cluster:Port" },
        { new ClusterSettings { Port = -1 }, "Rosetta:Cluster:Port" },
        { new ClusterSettings { PublicPort = 0 }, "Rosetta:Cluster:PublicPort" },
        { new ClusterSettings { SeedNodes = ["node"] }, "Rosetta:Cluster:SeedNodes" },
        { new ClusterSettings { SeedNodes = ["node:0"] }, "Rosetta:Cluster:SeedNodes" },
        { new ClusterSettings { SeedNodes = ["akka.tcp://rosetta@node:4053"] }, "Rosetta:Cluster:SeedNodes" },
    };

    [Fact]
    public void Should_have_defaults_that_work_on_one_machine() => new ClusterSettings().Validate();

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Should_name_the_key_of_a_wrong_value(ClusterSettings settings, string key) =>
        Assert.Contains(key, Assert.Throws<ArgumentException>(settings.Validate).Message, StringComparison.Ordinal);
}
