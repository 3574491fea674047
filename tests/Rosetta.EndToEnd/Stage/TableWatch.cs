using Npgsql;

namespace Rosetta.EndToEnd.Stage;

/// <summary>What somebody sees who counts the rows of a destination's table all the time.</summary>
sealed class TableWatch : IAsyncDisposable
{
    readonly CancellationTokenSource _enough = new();
    Task _looking = Task.CompletedTask;

    public long Fewest { get; private set; } = long.MaxValue;

    public int Polls { get; private set; }

    public static TableWatch Start(string connection, string table)
    {
        var watch = new TableWatch();
        watch._looking = Task.Run(() => watch.LookAsync(connection, table));
        return watch;
    }

    async Task LookAsync(string connection, string table)
    {
        await using var opened = new NpgsqlConnection(connection);
        await opened.OpenAsync();
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!_enough.IsCancellationRequested && await pace.WaitForNextTickAsync())
        {
            await using var count = new NpgsqlCommand($"SELECT count(*) FROM {table}", opened);
            Fewest = Math.Min(Fewest, (long)(await count.ExecuteScalarAsync())!);
            Polls++;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await _looking;
        _enough.Dispose();
    }
}
