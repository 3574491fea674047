using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>A table that the destination refuses some rows of, and what takes the changes that it refuses.</summary>
public abstract class ParkingStage(DestinationServer server)
{
    protected const string Tables =
        "CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE bad (id int, part text, v int, PRIMARY KEY (id, part)); INSERT INTO bad SELECT i, 'p', i FROM generate_series(1, 1000) i";
    protected const string Harm = "ALTER TABLE bad ADD CONSTRAINT small CHECK (v < 100000)";
    protected static readonly TableName Bad = new("public", "bad");

    protected Letters Parked { get; } = new();

    protected async Task<Replica> StartAsync(string sql = Tables, string harm = Harm)
    {
        var replica = await server.ReplicaAsync(sql);
        replica.Park(Parked);
        await replica.StartAsync();
        await replica.TargetAsync(harm);
        return replica;
    }
}
