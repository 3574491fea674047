using Akka.Actor;
using Akka.Event;
using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <content>Reports to the config database: what the API shows. Their failure stops nothing; their refusal means that we are fenced.</content>
public sealed partial class PipelineActor
{
    readonly PipelineAccount _account;
    readonly ReportSender _reports;
    bool _reporting;

    void Report()
    {
        FinishWholeResyncs();
        if (_run is not { } run || _reporting)
            return;
        _beingReported = [.. _refreshed];
        _refreshed.Clear();
        SendReport(_account.Of(run, _phase == Phase.Stopping, [.. _destinations.Select(d => (d.Key, d.Value.Status, d.Value.Lane))], LogState), run.Epoch);
    }

    void SendReport(PipelineReport report, long epoch)
    {
        _reporting = true;
        _reports.SendAsync(report).PipeTo(Self, success: accepted => new Reported(epoch, accepted, null), failure: e => new Reported(epoch, true, e));
    }

    void OnReported(Reported reported)
    {
        _reporting = false;
        if (reported.Error is null && !reported.Accepted && _run?.Epoch == reported.Epoch)
        {
            OnFenced();
            return;
        }

        FinishRefreshes(reported.Error is null);
    }

    void LogState(Core.Pipelines.PipelineState state, Core.Errors.Fault? fault)
    {
        if (fault is null)
            _log.Info("Pipeline {Pipeline} is {State}", _id, state);
        else
            _log.Warning("Pipeline {Pipeline} is {State}: {Reason}. Remedy: {Remedy}", _id, state, fault.ForLog, fault.Remedy ?? "none needed");
    }
}
