using Rosetta.Actors.Pipelines;
using Rosetta.Core.Pipelines;
using Rosetta.Store.Runtime;
using Xunit;

namespace Rosetta.Actors.Tests.Pipelines;

public sealed class ReportSenderTests
{
    readonly List<PipelineState> _begun = [];
    readonly Dictionary<PipelineState, TaskCompletionSource<bool>> _saves = [];
    readonly SemaphoreSlim _begins = new(0);
    readonly ReportSender _sender;

    public ReportSenderTests() => _sender = new ReportSender((report, _) =>
    {
        lock (_begun)
            _begun.Add(report.State);
        _begins.Release();
        return _saves[report.State].Task;
    });

    [Fact]
    public async Task Should_not_let_a_report_overtake_the_one_before()
    {
        var stopping = SendAsync(PipelineState.Stopping);
        Assert.True(await _begins.WaitAsync(TimeSpan.FromSeconds(30)));
        var stopped = SendAsync(PipelineState.Stopped);
        Assert.False(await _begins.WaitAsync(TimeSpan.FromMilliseconds(100)));
        _saves[PipelineState.Stopping].SetResult(true);
        _saves[PipelineState.Stopped].SetResult(false);
        Assert.True(await stopping);
        Assert.False(await stopped);
        Assert.Equal([PipelineState.Stopping, PipelineState.Stopped], _begun);
    }

    [Fact]
    public async Task Should_send_the_next_report_after_one_that_failed()
    {
        var running = SendAsync(PipelineState.Running);
        var stopped = SendAsync(PipelineState.Stopped);
        _saves[PipelineState.Running].SetException(new TimeoutException());
        _saves[PipelineState.Stopped].SetResult(true);
        await Assert.ThrowsAsync<TimeoutException>(() => running);
        Assert.True(await stopped);
    }

    Task<bool> SendAsync(PipelineState state)
    {
        _saves[state] = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        return _sender.SendAsync(new PipelineReport(1, 1, state, "node", DateTimeOffset.UnixEpoch, 0, null, null, null, null, null, null, []));
    }
}
