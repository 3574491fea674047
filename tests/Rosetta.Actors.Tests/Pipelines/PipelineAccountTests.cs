using Microsoft.Extensions.Time.Testing;
using Rosetta.Actors.Destinations;
using Rosetta.Actors.Pipelines;
using Rosetta.Actors.Tests.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Secrets;
using Rosetta.Store.Sources;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

public sealed class PipelineAccountTests : IDisposable
{
    readonly FakeTimeProvider _time = new();
    readonly PipelineRun _run;
    readonly PipelineAccount _account;
    readonly DestinationStatus _status;
    readonly Lane _lane;
    readonly List<PipelineState> _changes = [];

    public PipelineAccountTests()
    {
        var source = new SourceDefinition(
            1, "source", "127.0.0.1", 5432, "app", "rosetta", new Secret("pw"), "disable", "pub", "slot", DateTime.UnixEpoch, DateTime.UnixEpoch);
        var definition = new PipelineDefinition(7, "pipeline", PipelineStatus.Start, 1, source, [], DateTime.UnixEpoch, DateTime.UnixEpoch);
        // No repository is asked for an account.
        var services = new PipelineServices(
            Guid.NewGuid(), null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, _ => throw new NotSupportedException(), new PipelineSettings(), _time);
        _run = new PipelineRun(definition, 3, services, static () => { });
        _account = new PipelineAccount(_time, "node-1");
        _status = new DestinationStatus(_time);
        _lane = _run.Hub.Register(5, new Lsn(100));
    }

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Should_remember_since_when_it_is_in_its_state_and_count_restarts()
    {
        var started = _time.GetUtcNow();
        Assert.Equal((PipelineState.Starting, started, 0), Of(Report()));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((PipelineState.Starting, started, 0), Of(Report()));
        _run.Source.Fault = new Fault(ErrorClass.Transient, "away", "wait");
        Assert.Equal((PipelineState.Retrying, _time.GetUtcNow(), 1), Of(Report()));
        Assert.Equal(("away", "wait"), (Report().LastError, Report().Remedy));
        Assert.Equal([PipelineState.Starting, PipelineState.Retrying], _changes);
    }

    [Fact]
    public void Should_say_who_runs_what_and_where_the_slot_stands()
    {
        _run.Source.Slot = "slot_p7";
        _run.Source.Received = new Lsn(400);
        _run.Source.Confirmed = new Lsn(100);
        _run.Source.RetainedBytes = 300;
        var report = Report();
        Assert.Equal((7, 3, "node-1", "slot_p7"), (report.PipelineId, report.Epoch, report.Node, report.Slot));
        Assert.Equal((new Lsn(400), new Lsn(100), 300L), (report.ReceivedLsn, report.ConfirmedLsn, report.WalRetainedBytes));
    }

    [Fact]
    public void Should_show_no_position_before_the_first_copy_is_complete()
    {
        _run.Source.Ready = true;
        _run.Source.Current = new Lsn(1000);
        var destination = Assert.Single(Report().Destinations!);
        Assert.Equal((5, DestinationHealth.Snapshotting, LaneState.Detached), (destination.DestinationId, destination.Health, destination.Lane));
        Assert.Null(destination.AppliedLsn);
        Assert.Null(destination.LagBytes);
        Assert.Null(destination.LagSeconds);
        Assert.Equal(PipelineState.Snapshotting, Report().State);
    }

    [Fact]
    public async Task Should_follow_a_lane_over_wal_that_holds_nothing_for_it()
    {
        _run.Source.Ready = true;
        _run.Source.Current = new Lsn(1000);
        _status.AppliedUpTo(new Lsn(200));
        Assert.Equal((new Lsn(200), 800L), Position(Report()));
        var attaching = _run.Hub.AttachAsync(_lane, default);
        _run.Hub.MainStarted(new Lsn(100));
        await attaching;
        _lane.Pass(new Lsn(900));
        Assert.Equal((new Lsn(900), 100L), Position(Report()));
        _lane.Outstanding(false);
        Assert.Equal(0, Report().Destinations![0].LagSeconds);
        Assert.Equal(PipelineState.Running, Report().State);
        _lane.Outstanding(true);
        _time.Advance(TimeSpan.FromSeconds(12.3456));
        Assert.Equal(12.346, Report().Destinations![0].LagSeconds);
        Assert.Equal(PipelineState.Degraded, Report().State);
    }

    [Fact]
    public void Should_be_degraded_by_a_table_in_error_and_show_it()
    {
        _run.Source.Ready = true;
        _status.AppliedUpTo(new Lsn(200));
        _status.Set(TableProgress.Of(Planned.Faulty(Planned.Orders), TableState.Error));
        _status.Set(TableProgress.Of(Planned.Table(Planned.Items), TableState.CatchingUp) with { Since = new Lsn(50) });
        var report = Report();
        Assert.Equal(PipelineState.Degraded, report.State);
        var tables = report.Destinations![0].Tables!.OrderBy(static t => t.Table.Name).ToList();
        Assert.Equal(TableState.Streaming, tables[0].State);
        Assert.Equal((TableState.Error, "no", "do"), (tables[1].State, tables[1].Error, tables[1].Remedy));
    }

    [Fact]
    public void Should_report_nothing_of_destinations_when_it_has_stopped()
    {
        Report();
        var report = _account.Stopped(_run);
        Assert.Equal(PipelineState.Stopped, report.State);
        Assert.Empty(report.Destinations!);
        Assert.Null(report.LastError);
    }

    Store.Runtime.PipelineReport Report() =>
        _account.Of(_run, false, [(5, _status, _lane)], (state, _) => _changes.Add(state));

    static (PipelineState, DateTimeOffset, int) Of(Store.Runtime.PipelineReport report) => (report.State, report.Since, report.Restarts);

    static (Lsn?, long?) Position(Store.Runtime.PipelineReport report) => (report.Destinations![0].AppliedLsn, report.Destinations[0].LagBytes);
}
