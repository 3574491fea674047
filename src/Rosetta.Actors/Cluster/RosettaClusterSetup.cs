using Akka.Actor.Setup;
using Npgsql;

namespace Rosetta.Actors.Cluster;

/// <summary>Carries what HOCON cannot into the actor system: the config database and the node's settings.</summary>
public sealed class RosettaClusterSetup(ClusterSettings settings, NpgsqlDataSource database) : Setup
{
    public ClusterSettings Settings { get; } = settings;

    /// <summary>The config database, best made by <see cref="Membership.ClusterDataSource.Create"/>. Not owned.</summary>
    public NpgsqlDataSource Database { get; } = database;
}
