using Rosetta.Actors.Backfills;
using Rosetta.Actors.Cluster.Serialization;
using Rosetta.Actors.Pipelines;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

public sealed class PipelineWireMessagesTests
{
    public static TheoryData<object, string, string> Messages => new()
    {
        { new PipelineCommands.EnsureRunning(7, long.MaxValue), "per", """{"PipelineId":7,"ConfigVersion":9223372036854775807}""" },
        { new PipelineCommands.EnsureStopped(7), "pes", """{"PipelineId":7}""" },
        { new PipelineCommands.LookForRequests(7), "plr", """{"PipelineId":7}""" },
        { new BackfillEvents.Started(7, 8, [1, 2], DateTimeOffset.UnixEpoch), "bfs", """{"PipelineId":7,"JobId":8,"DestinationIds":[1,2],"At":"1970-01-01T00:00:00+00:00"}""" },
        { new BackfillEvents.Resumed(7, 8, DateTimeOffset.UnixEpoch), "bfr", """{"PipelineId":7,"JobId":8,"At":"1970-01-01T00:00:00+00:00"}""" },
        { new BackfillEvents.Ended(7, 8, "FAILED", "why", DateTimeOffset.UnixEpoch), "bfe", """{"PipelineId":7,"JobId":8,"Status":"FAILED","Error":"why","At":"1970-01-01T00:00:00+00:00"}""" },
    };

    /// <summary>The bytes are part of the format: a node of another version reads them.</summary>
    [Theory]
    [MemberData(nameof(Messages))]
    public void Should_write_and_read_every_message_as_other_versions_know_it(object message, string manifest, string json)
    {
        var wire = PipelineWireMessages.All.Of(message.GetType());
        Assert.NotNull(wire);
        Assert.Equal(manifest, wire.Manifest);
        Assert.Equal(json, System.Text.Encoding.UTF8.GetString(wire.Write(message)));
        Assert.Equal(message, wire.Read(wire.Write(message)));
        Assert.Same(wire, PipelineWireMessages.All.Of(manifest));
    }

    [Fact]
    public void Should_have_a_manifest_for_every_message_that_crosses_nodes()
    {
        var crossing = typeof(PipelineWireMessages).Assembly.GetTypes()
            .Where(static t => typeof(IRosettaWireMessage).IsAssignableFrom(t) && !t.IsInterface && !t.IsAbstract)
            .ToList();
        Assert.NotEmpty(crossing);
        Assert.All(crossing, static t => Assert.NotNull(PipelineWireMessages.All.Of(t)));
        Assert.Equal(crossing.Count, PipelineWireMessages.All.All.Count);
        Assert.Equal(crossing.Count, Messages.Count);
    }

    [Fact]
    public void Should_find_the_pipeline_of_every_message()
    {
        // Those that are journaled are addressed to nobody.
        foreach (var row in Messages.Where(static r => r[0] is not (BackfillEvents.Started or BackfillEvents.Resumed or BackfillEvents.Ended)))
            Assert.Equal(7, ((IPipelineMessage)row[0]).PipelineId);
    }
}
