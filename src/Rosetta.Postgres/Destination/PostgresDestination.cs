using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

/// <summary>A PostgreSQL database that changes are applied to.</summary>
/// <param name="endpoint">Where it is, and as whom we write.</param>
/// <param name="schema">Schema for tables whose route names none; null for the source's.</param>
public sealed class PostgresDestination(PgEndpoint endpoint, string? schema = null, ILogger? logger = null) : IDestination
{
    readonly ConcurrentDictionary<Guid, ApplyMemory> _memories = new();
    readonly ILogger _logger = logger ?? NullLogger.Instance;

    public PgEndpoint Endpoint { get; } = endpoint;

    public string? Schema { get; } = schema;

    internal TimeSpan Patience { get; init; } = TakeOver.Patience;

    /// <summary>The target of a source table for which none was chosen.</summary>
    public TableName DefaultTarget(TableName source) => Schema is null ? source : source with { Schema = Schema };

    /// <inheritdoc/>
    /// <exception cref="PgException">It cannot be reached, or refuses us.</exception>
    /// <exception cref="Core.Errors.FaultException">We lack a privilege there; the remedy is the SQL that grants it.</exception>
    public async Task<IDestinationSession> OpenAsync(DestinationOpening opening, CancellationToken cancellationToken)
    {
        var named = Endpoint with { ApplicationName = TakeOver.NameOf(opening) };
        var connection = await PgConnection.OpenAsync(named, cancellationToken: cancellationToken);
        try
        {
            var replicaRole = await SessionSettings.ApplyAsync(connection, cancellationToken);
            await RosettaSchema.EnsureAsync(connection, cancellationToken);
            if (opening.StartsAt is { } startsAt)
                opening = opening with { StartPosition = await startsAt(cancellationToken), StartsAt = null };
            var row = new PositionRow(opening);
            var position = await TakeOver.RunAsync(connection, opening, row, Patience, _logger, cancellationToken);
            var stored = await StoredTables.LoadAsync(connection, row, cancellationToken);
            var memory = _memories.GetOrAdd(opening.Generation, static _ => new ApplyMemory());
            var lot = opening.Parking is { } parking ? new ParkingLot(parking.Limits, TimeProvider.System) : null;
            if (lot is not null)
                await ParkedSql.LoadAsync(connection, row, lot, null, cancellationToken);
            return new PostgresSession(connection, named, opening, row, replicaRole, position, stored, memory, lot, _logger)
            {
                Pending = await StoredTables.LoadPendingAsync(connection, row, cancellationToken),
            };
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
