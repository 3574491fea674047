using Akka.Actor;
using Akka.Event;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Store.Monitoring;

namespace Rosetta.Actors.Pipelines;

/// <content>
/// Counts of rows by minute, for the API. Their failure stops nothing; what could not be recorded is added the next time, and what a node had not recorded
/// when it died is not counted.
/// </content>
public sealed partial class PipelineActor
{
    static readonly TimeSpan FlowInterval = TimeSpan.FromSeconds(5);

    FlowMeter _flows = new();
    bool _recordingFlows;

    void RecordFlows()
    {
        if (_run is not { } run || _recordingFlows)
            return;
        var flows = _flows.Since(
            _destinations.SelectMany(d => d.Value.Status.Tables.Select(t => (d.Key, t.Table, t.Rows))), _services.Time.GetUtcNow().UtcDateTime);
        if (flows.Count == 0)
            return;
        _recordingFlows = true;
        RecordAsync().PipeTo(Self, failure: e => new FlowsRecorded(run.Epoch, [], e));

        async Task<FlowsRecorded> RecordAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await _services.DataFlow.AddAsync(_id, run.Epoch, [.. flows.Select(f => f.Flow)], limit.Token).ConfigureAwait(false);
            return new FlowsRecorded(run.Epoch, flows, null);
        }
    }

    void OnFlowsRecorded(FlowsRecorded recorded)
    {
        _recordingFlows = false;
        if (recorded.Error is not null)
            _log.Debug("Pipeline {Pipeline}: its flow could not be recorded: {Reason}", _id, recorded.Error.Message);
        if (_run?.Epoch == recorded.Epoch)
            _flows.Recorded(recorded.Flows);
    }

    sealed record FlowsRecorded(long Epoch, IReadOnlyList<(DataFlow Flow, TableName Table, RowCounts Counted)> Flows, Exception? Error) : Own;

    sealed record FlowTick : Own
    {
        public static readonly FlowTick Instance = new();
    }
}
