using Npgsql;

namespace Rosetta.EndToEnd.Stage;

/// <summary>Statements at the source, one after the other, until stopped.</summary>
sealed class SteadyTraffic : IAsyncDisposable
{
    readonly CancellationTokenSource _enough = new();
    Task _running = Task.CompletedTask;

    /// <summary>Rows changed so far.</summary>
    public int Changes { get; private set; }

    /// <param name="pause">From the beginning of a statement to that of the next.</param>
    /// <param name="next">Gives the next statement.</param>
    public static SteadyTraffic Start(string connection, TimeSpan pause, Func<string> next)
    {
        var traffic = new SteadyTraffic();
        traffic._running = Task.Run(() => traffic.RunAsync(connection, pause, next));
        return traffic;
    }

    /// <summary>Until so many rows more have been changed.</summary>
    public Task WaitForAsync(int changes)
    {
        var enough = Changes + changes;
        return Rosetta.Testing.Waiting.Wait.UntilAsync(() => Task.FromResult(Changes > enough), $"{changes} changes", Installation.Patience);
    }

    public async Task StopAsync()
    {
        await _enough.CancelAsync();
        await _running;
    }

    async Task RunAsync(string connectionString, TimeSpan pause, Func<string> next)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        using var pace = new PeriodicTimer(pause);
        while (!_enough.IsCancellationRequested && await pace.WaitForNextTickAsync())
        {
            await using var command = new NpgsqlCommand(next(), connection);
            Changes += await command.ExecuteNonQueryAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _enough.Dispose();
    }
}
