using System.Text.Json;
using System.Text.Json.Serialization;
using FluentValidation;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Rosetta.Api.Access;
using Rosetta.Api.Backfills;
using Rosetta.Api.Cluster;
using Rosetta.Api.Configuration;
using Rosetta.Api.DeadLetters;
using Rosetta.Api.Destinations;
using Rosetta.Api.Documents;
using Rosetta.Api.Health;
using Rosetta.Api.Hosting;
using Rosetta.Api.Monitoring;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Presets;
using Rosetta.Api.Problems;
using Rosetta.Api.Sources;
using Rosetta.Api.Verification;
using Rosetta.Core.Positions;
using Rosetta.Store;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Api;

/// <summary>
/// The REST API of a node. It needs in the container: <see cref="ConfigStoreAccess"/>, <c>IClusterView</c> and <c>ClusterHealth</c> of Rosetta.Actors.
/// It listens at once; until the config database has been opened everything below <c>/api/v1</c> is answered 503.
/// </summary>
public static class RosettaApi
{
    /// <summary>Adds the API's services, and makes the server listen where the settings say.</summary>
    public static WebApplicationBuilder AddRosettaApi(this WebApplicationBuilder builder, ApiSettings settings)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(settings);
        ApiListening.Listen(builder.WebHost, settings);
        AddServices(builder.Services, settings);
        return builder;
    }

    /// <summary>Adds everything but the listeners.</summary>
    public static void AddServices(IServiceCollection services, ApiSettings settings)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        services.TryAddSingleton(DeadLetterSettings.Default);
        services.TryAddSingleton<DeadLetterAccess>();
        services.AddTransient(provider => provider.GetRequiredService<ConfigStoreAccess>().Current
            ?? throw new RequestProblemException(StatusCodes.Status503ServiceUnavailable, ConfigDatabaseGate.NotOpened));
        AddValidators(services);
        services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            options.SerializerOptions.RespectRequiredConstructorParameters = true;
            options.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            options.SerializerOptions.Converters.Add(new LsnJson());
        });
        services.AddDocument();
    }

    static void AddValidators(IServiceCollection services)
    {
        services.AddSingleton<IValidator<CreateSource>, CreateSourceValidator>();
        services.AddSingleton<IValidator<ChangeSource>, ChangeSourceValidator>();
        services.AddSingleton<IValidator<CreatePublication>, CreatePublicationValidator>();
        services.AddSingleton<IValidator<CreateDestination>, CreateDestinationValidator>();
        services.AddSingleton<IValidator<ChangeDestination>, ChangeDestinationValidator>();
        services.AddSingleton<IValidator<CreatePipeline>, CreatePipelineValidator>();
        services.AddSingleton<IValidator<ChangePipeline>, ChangePipelineValidator>();
        services.AddSingleton<IValidator<AttachDestination>, AttachDestinationValidator>();
        services.AddSingleton<IValidator<ReplaceTableSyncs>, ReplaceTableSyncsValidator>();
        services.AddSingleton<IValidator<PreviewTransform>, PreviewTransformValidator>();
        services.AddSingleton<IValidator<StartBackfill>, StartBackfillValidator>();
        services.AddSingleton<IValidator<StartVerify>, StartVerifyValidator>();
        services.AddSingleton<IValidator<StartRecovery>, StartRecoveryValidator>();
        services.AddSingleton<IValidator<RetryEntry>, RetryEntryValidator>();
        services.AddSingleton<IValidator<DiscardEntry>, DiscardEntryValidator>();
        services.AddSingleton<IValidator<DiscardEntries>, DiscardEntriesValidator>();
        services.AddSingleton<IValidator<CreatePreset>, CreatePresetValidator>();
        services.AddSingleton<IValidator<ChangePreset>, ChangePresetValidator>();
    }

    /// <summary>Maps the API's routes and what every request passes.</summary>
    public static WebApplication MapRosettaApi(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.UseProblems();
        app.UseHealthListener();
        app.UseRouting();
        app.UseAccessControl(app.Services.GetRequiredService<ApiSettings>().Keys);
        app.UseConfigDatabaseGate();

        var api = app.MapGroup("/api/v1");
        api.MapSources();
        api.MapSourceCatalog();
        api.MapDestinations();
        api.MapPipelines();
        api.MapPipelineDestinations();
        api.MapBackfills();
        api.MapVerify();
        api.MapDeadLetters();
        api.MapDeadLetterAudit();
        api.MapRecoveries();
        api.MapPresets();
        api.MapConfig();
        api.MapMonitoring();
        api.MapCluster();
        app.MapHealth();
        app.MapDocument();
        return app;
    }

    sealed class LsnJson : JsonConverter<Lsn>
    {
        public override Lsn Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Lsn.Parse(reader.GetString()!);

        public override void Write(Utf8JsonWriter writer, Lsn value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
