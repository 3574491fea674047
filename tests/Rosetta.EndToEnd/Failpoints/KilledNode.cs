using Rosetta.Client;
using Rosetta.EndToEnd.Stage;
using Xunit;

namespace Rosetta.EndToEnd.Failpoints;

/// <summary>A process that sends itself SIGKILL at the failpoint.</summary>
sealed class KilledNode(NodeProcess process) : IMortalNode
{
    string? _dieAt;

    public ApiClient Api => process.Api;

    public bool IsDead => process.Process.HasExited;

    public Task StartAsync(string? dieAt, bool waitUntilReady, IReadOnlyDictionary<string, string?>? settings = null)
    {
        _dieAt = dieAt;
        var extra = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>());
        if (dieAt is not null)
            extra["ROSETTA_FAILPOINTS"] = $"{dieAt}=kill";
        return process.StartAsync(waitUntilReady, extra);
    }

    public async Task WaitForDeathAsync(TimeSpan deadline)
    {
        await process.Process.WaitForExitAsync(deadline);
        Assert.Contains($"failpoint {_dieAt}", process.Process.OutputTail(400), StringComparison.Ordinal);
    }

    public Task KillAsync() => process.KillAsync();

    /// <summary>The installation ends the process.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
