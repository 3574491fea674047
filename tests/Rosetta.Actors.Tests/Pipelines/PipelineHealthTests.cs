using Rosetta.Actors.Pipelines;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

public sealed class PipelineHealthTests
{
    static readonly Fault Away = new(ErrorClass.Transient, "away", null);
    static readonly Fault Wrong = new(ErrorClass.Operator, "wrong", "mend it");
    static readonly Fault Gap = new(ErrorClass.Operator, "gap", "resync", IsGap: true);
    static readonly DestinationCondition Fine = new(DestinationHealth.Healthy, true, false, null);
    static readonly DestinationCondition Copying = new(DestinationHealth.Snapshotting, false, false, null);
    static readonly DestinationCondition Lost = new(DestinationHealth.Error, true, false, Gap);
    static readonly PipelineCondition Running = new(true, false, true, null, [Fine, Fine]);

    [Fact]
    public void Should_be_stopped_or_stopping_before_anything_else()
    {
        Assert.Equal(PipelineState.Stopped, State(Running with { Running = false, Stopping = true, SourceFault = Wrong }));
        Assert.Equal(PipelineState.Stopping, State(Running with { Stopping = true, SourceFault = Wrong }));
    }

    [Fact]
    public void Should_retry_a_source_that_is_away_and_stop_at_one_that_is_wrong()
    {
        Assert.Equal((PipelineState.Retrying, Away), PipelineHealth.Of(Running with { SourceFault = Away }));
        Assert.Equal((PipelineState.Error, Wrong), PipelineHealth.Of(Running with { SourceFault = Wrong, SourceReady = false }));
    }

    [Fact]
    public void Should_be_starting_until_the_source_is_taken_over() =>
        Assert.Equal(PipelineState.Starting, State(Running with { SourceReady = false }));

    [Fact]
    public void Should_be_in_error_only_when_every_destination_has_a_gap()
    {
        Assert.Equal((PipelineState.Error, Gap), PipelineHealth.Of(Running with { Destinations = [Lost, Lost] }));
        Assert.Equal((PipelineState.Degraded, null), PipelineHealth.Of(Running with { Destinations = [Lost, Fine] }));
    }

    [Fact]
    public void Should_be_snapshotting_until_a_destination_streams()
    {
        Assert.Equal(PipelineState.Snapshotting, State(Running with { Destinations = [Copying, Copying] }));
        Assert.Equal(PipelineState.Snapshotting, State(Running with { Destinations = [] }));
        Assert.Equal(PipelineState.Running, State(Running with { Destinations = [Fine, Copying] }));
    }

    [Theory]
    [InlineData(DestinationHealth.Healthy, false, PipelineState.Running)]
    [InlineData(DestinationHealth.Healthy, true, PipelineState.Degraded)]
    [InlineData(DestinationHealth.Lagging, false, PipelineState.Degraded)]
    [InlineData(DestinationHealth.Retrying, false, PipelineState.Degraded)]
    [InlineData(DestinationHealth.Error, false, PipelineState.Degraded)]
    [InlineData(DestinationHealth.Paused, false, PipelineState.Degraded)]
    [InlineData(DestinationHealth.Spilling, false, PipelineState.Degraded)]
    public void Should_be_degraded_when_a_destination_or_a_table_is_not_fine(DestinationHealth health, bool partInError, PipelineState expected) =>
        Assert.Equal(expected, State(Running with { Destinations = [Fine, new DestinationCondition(health, true, partInError, null)] }));

    static PipelineState State(PipelineCondition condition) => PipelineHealth.Of(condition).State;
}
