using Rosetta.Demo.Machine;

namespace Rosetta.Demo.Traffic;

/// <summary>A table of which one destination refuses some rows for a while: by a constraint that the source does not have.</summary>
sealed class RefundTable(DemoDatabase source, DemoDatabase refusing)
{
    public const string Name = $"{ImportTable.Schema}.payments";

    const string Constraint = "no_refunds";

    int _next;

    public static Task CreateAsync(DemoDatabase source, CancellationToken cancellationToken) => source.Server.ExecuteAsync(
        $"CREATE TABLE {Name} (id bigint PRIMARY KEY, amount numeric(12, 2) NOT NULL, at timestamptz NOT NULL, note text)", source.Name, cancellationToken);

    public Task RefuseAsync(CancellationToken cancellationToken) =>
        refusing.Server.ExecuteAsync($"ALTER TABLE {Name} ADD CONSTRAINT {Constraint} CHECK (amount >= 0) NOT VALID", refusing.Name, cancellationToken);

    public Task AllowAsync(CancellationToken cancellationToken) =>
        refusing.Server.ExecuteAsync($"ALTER TABLE {Name} DROP CONSTRAINT IF EXISTS {Constraint}", refusing.Name, cancellationToken);

    /// <summary>Payments, and among them refunds; then the first refund gets a note, which has to wait behind it.</summary>
    /// <returns>How many changes the destination refuses or has wait.</returns>
    public async Task<int> PayAsync(int payments, int refunds, CancellationToken cancellationToken)
    {
        var (first, last) = (_next + 1, _next + payments + refunds);
        _next = last;
        await source.Server.ExecuteAsync(
            $"""
            INSERT INTO {Name} SELECT i, CASE WHEN i > {last - refunds} THEN -i ELSE i END, clock_timestamp(), NULL FROM generate_series({first}, {last}) i;
            """, source.Name, cancellationToken);
        await source.Server.ExecuteAsync($"UPDATE {Name} SET note = 'customer called' WHERE id = {last}", source.Name, cancellationToken);
        return refunds + 1;
    }
}
