using Npgsql;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>Connections to the config database for membership alone: few, and quick to notice that the database is away.</summary>
public static class ClusterDataSource
{
    /// <param name="connectionString">An Npgsql connection string of the config database.</param>
    public static NpgsqlDataSource Create(string connectionString)
    {
        var builder = new NpgsqlDataSourceBuilder(connectionString);
        builder.ConnectionStringBuilder.ApplicationName = "rosetta-cluster";
        builder.ConnectionStringBuilder.Timeout = 3;
        builder.ConnectionStringBuilder.CommandTimeout = 6;
        builder.ConnectionStringBuilder.CancellationTimeout = 1000;
        builder.ConnectionStringBuilder.MaxPoolSize = 4;
        builder.ConnectionStringBuilder.MinPoolSize = 0;
        return builder.Build();
    }
}
