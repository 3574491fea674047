using Rosetta.Core.Pipelines;
using Xunit;

namespace Rosetta.Core.Tests.Pipelines;

public sealed class SessionNameTests
{
    static readonly Guid Installation = Guid.Parse("0123abcd-0000-0000-0000-000000000000");

    [Fact]
    public void Should_name_installation_pipeline_epoch_and_purpose()
    {
        var name = new SessionName(Installation, 7, 12, "apply");
        Assert.Equal("rosetta/0123abcd/p7/e12/apply", name.ToString());
        Assert.Equal("rosetta/0123abcd/p7/e12/copy", name.For("copy").ToString());
        Assert.StartsWith(SessionName.PrefixOf(Installation, 7), name.ToString(), StringComparison.Ordinal);
        Assert.Equal(12, SessionName.EpochOf(name.ToString(), Installation, 7));
    }

    [Fact]
    public void Should_not_take_another_pipelines_session_for_its_own()
    {
        var other = new SessionName(Installation, 71, 12, "apply").ToString();
        Assert.Null(SessionName.EpochOf(other, Installation, 7));
        Assert.False(other.StartsWith(SessionName.PrefixOf(Installation, 7), StringComparison.Ordinal));
        Assert.Null(SessionName.EpochOf(other, Guid.Empty, 71));
        Assert.Null(SessionName.EpochOf("psql", Installation, 7));
        Assert.Null(SessionName.EpochOf("rosetta/0123abcd/p7/e", Installation, 7));
        Assert.Null(SessionName.EpochOf("rosetta/0123abcd/p7/e-1/apply", Installation, 7));
    }

    [Fact]
    public void Should_stay_within_what_the_server_keeps_of_a_name()
    {
        var name = new SessionName(Installation, long.MaxValue, long.MaxValue, "a-very-long-purpose").ToString();
        Assert.InRange(name.Length, 1, 63);
        Assert.Equal(long.MaxValue, SessionName.EpochOf(name, Installation, long.MaxValue));
    }

    [Fact]
    public void Should_have_the_words_of_the_api()
    {
        Assert.Equal("PAUSE START", string.Join(' ', Enum.GetValues<PipelineStatus>().Select(static s => s.ToName())));
        Assert.Equal("ATTACHED DETACHED CATCHING_UP SPILLING DRAINING", string.Join(' ', Enum.GetValues<LaneState>().Select(static s => s.ToName())));
        Assert.Equal(
            "STOPPED STOPPING STARTING ERROR RETRYING SNAPSHOTTING DEGRADED RUNNING",
            string.Join(' ', Enum.GetValues<PipelineState>().Select(static s => s.ToName())));
        Assert.Equal(
            "HEALTHY SNAPSHOTTING LAGGING RETRYING SPILLING RECOVERING ERROR PAUSED",
            string.Join(' ', Enum.GetValues<DestinationHealth>().Select(static s => s.ToName())));
        Assert.Equal("POSTGRES SNOWFLAKE", string.Join(' ', Enum.GetValues<DestinationType>().Select(static s => s.ToName())));
    }
}
